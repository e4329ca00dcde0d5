import { Client } from 'pg'
import { until } from '../until.ts'

/** Somebody else at work in the database of a server, whom the server may have to wait for. */
export interface OtherTransaction {
  query<Row>(text: string, values?: unknown[]): Promise<Row[]>
  /** Resolves when `count` others wait for what somebody holds. */
  whenAwaited(count?: number): Promise<void>
  commit(): Promise<void>
  rollback(): Promise<void>
}

export async function openTransaction(databaseUrl: string): Promise<OtherTransaction> {
  const client = new Client({ connectionString: databaseUrl })
  await client.connect()
  await client.query('begin')

  async function query<Row>(text: string, values: unknown[] = []) {
    return (await client.query(text, values)).rows as Row[]
  }

  async function end(how: 'commit' | 'rollback') {
    await client.query(how)
    await client.end()
  }

  return {
    query,
    async whenAwaited(count = 1) {
      await until(`awaited by ${count}`, async () => {
        // Else a transaction sees others as they were when it first looked.
        await client.query('select pg_stat_clear_snapshot()')
        const waiting = await query(
          `select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
        )
        return waiting.length >= count
      })
    },
    commit: () => end('commit'),
    rollback: () => end('rollback'),
  }
}
