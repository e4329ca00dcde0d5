import type { Client } from 'pg'
import { createPartitions } from '../../src/events/partitions.ts'
import { openPostgresStorage } from '../../src/storage/postgres.ts'

const dayMs = 86_400_000

/**
 * Fills a database as a month of use does: 20,000 interactions and 100,000 messages, of which one interaction has
 * 20,000; 50,000 replies, all but a few hundred ended, the events of the last nine days, and jobs that were done.
 */
export async function insertManyRows(client: Client, url: string): Promise<void> {
  // Early in the day its partition would have so few rows that reading all of them is right.
  const today = Date.now()
  const now = Math.max(today, today - (today % dayMs) + dayMs / 2)
  const storage = await openPostgresStorage(url, { maxConnections: 2, onError: () => {} })
  await createPartitions(storage).makeAt(Array.from({ length: 10 }, (_, day) => now - day * dayMs))
  await storage.close()
  await client.query(statements.replaceAll(':now', String(now)))
}

/** The interaction with so many messages. */
export const longInteraction = '01900000-0000-7000-8000-000000000000'

/** An id that says its time, and a number. */
const id = (ms: string, number: string) =>
  `(lpad(to_hex((${ms})::bigint), 12, '0') || '70008' || lpad(to_hex((${number})::bigint), 15, '0'))::uuid`

const statements = `
  create temp table given as
    select number, ms, case number when 11 then '${longInteraction}' else ${id('ms', 'number')} end as id,
      case number when 11 then 20000 else 4 end as said
    from (
      select number, :now::bigint - 30 * ${dayMs}::bigint + number * ${(30 * dayMs) / 20_000} as ms
      from generate_series(1, 19998::bigint) number
    ) numbers;

  insert into interactions (id, owner_id, model, role, sampling_json, metadata_json, last_position, created_at,
      updated_at)
    select id, case when number % 10 = 0 then 'somebody else' else 'local' end, 'openai/model', 'System', '{}',
      '{}', said, ms, ms
    from given;

  insert into messages (id, interaction_id, position, role, content_json, metadata_json, tokens, created_at,
      updated_at)
    select ${id('ms + position', 'number * 100000 + position')}, id, position,
      case position % 2 when 0 then 'AI' else 'Human' end, '[{"type":"text","text":"Something"}]', '{}', 3,
      ms + position, ms + position
    from given, generate_series(1, said) position;

  insert into changes (id, interaction_id, sequence, position, type, data_json, created_at)
    select ${id('ms + change', 'number * 100000 + change')}, id, change, 4, 'interaction.changed', '{}', ms + change
    from given, generate_series(1, said) change;
  update interactions set last_change = said from given where given.id = interactions.id;

  insert into replies (log, id, interaction_id, position, status, model, attempt, crashes, failures, throttles,
      created_at, updated_at, completed_at)
    select created_at * 1024, id, interaction_id, position, 'completed', 'openai/model', 1, 0, 0, 0, created_at,
      created_at, created_at
    from messages where role = 'AI';
  update replies set status = 'failed', error_json = '{"code":"provider_unavailable","message":""}'
    where position = 2 and created_at > (select ms from given where number = 17000);
  -- Some wait for their time, one of them for so long that it keeps the events of its day. Some were being made
  -- by a node that is dead.
  update replies set status = 'queued', completed_at = null, not_before = :now + 3600000
    where position = 4 and created_at > (select ms from given where number = 19700);
  update replies set status = 'queued', completed_at = null, not_before = :now + 3600000
    where log = (select max(log) from replies where created_at < :now - (:now % ${dayMs}) - 7 * ${dayMs}::bigint);
  update replies set status = 'in_progress', completed_at = null, node = 999
    where position = 4 and created_at > (select ms from given where number = 19680) and status = 'completed';
  insert into nodes (number, started_at) overriding system value values (999, 1);

  insert into events (log, sequence, type, data_json, created_at)
    select log, sequence, 'text.delta', '{"text":"word "}', created_at
    from replies, generate_series(1, 16) sequence
    where created_at > :now - 9 * ${dayMs}::bigint and status in ('completed', 'failed');

  insert into pgboss.job (name, state, singleton_key, policy, group_id, data, created_on, completed_on)
    select 'looks', 'completed', interaction_id, 'key_strict_fifo', 'openai', '{}', now(), now()
    from replies where position = 2;

  -- Not the days to come: PostgreSQL looks at no table by itself that has nothing in it.
  analyze interactions, messages, changes, replies, pgboss.job;
  do $$ declare day regclass; begin
    for day in select distinct tableoid::regclass from events loop execute 'analyze ' || day; end loop;
  end $$;
`
