import { type ExpressionBuilder, type RawBuilder, sql } from 'kysely'
import type { Schema } from '../storage/schema.ts'
import type { Storage } from '../storage/storage.ts'
import { lowered } from '../text.ts'

type Text = RawBuilder<unknown>
type Condition = RawBuilder<boolean>

/**
 * The interactions that have `text` in their title, in a value of their metadata, or in what was said: in texts,
 * thoughts and refusals, names and arguments of calls and what came of them, and names of files. Capitals are found
 * as small letters; on PostgreSQL, those that its locale knows.
 */
export function holding(engine: Storage['engine'], text: string) {
  const { has, inMetadata, inContent } = engine === 'postgres' ? postgres(text) : sqlite(text)
  return ({ or, exists, selectFrom }: ExpressionBuilder<Schema, 'interactions'>) =>
    or([
      has(sql`title`),
      inMetadata,
      exists(
        selectFrom('messages')
          .select('messages.id')
          .whereRef('interaction_id', '=', 'interactions.id')
          .where(inContent),
      ),
    ])
}

/** Where a text is looked for, and how. Both sides are lowered by the same function, so that it finds itself. */
interface Search {
  has: (within: Text) => Condition
  inMetadata: Condition
  inContent: Condition
}

function sqlite(text: string): Search {
  const part = lowered(text)
  const has = (within: Text) => sql<boolean>`holds(${within}, ${part})`
  return {
    has,
    inMetadata: sql`exists (select 1 from json_each(metadata_json) as pair where ${has(sql`pair.value`)})`,
    // What a provider keeps with a part is not said.
    inContent: sql`exists (
      select 1 from json_tree(content_json) as said
      where said.type = 'text' and said.key in ('text', 'name', 'arguments', 'output', 'filename')
        and instr(said.path, '.provider') = 0 and ${has(sql`said.atom`)}
    )`,
  }
}

function postgres(text: string): Search {
  const has = (within: Text) => sql<boolean>`strpos(lower(${within}), lower(${text})) > 0`
  const isOf = (type: string) => sql`json_typeof(part.output) = ${type}`
  return {
    has,
    inMetadata: sql`exists (
      select 1 from json_each_text(metadata_json::json) as pair where ${has(sql`pair.value`)}
    )`,
    inContent: sql`exists (
      select 1 from json_to_recordset((${readable})::json)
        as part(text text, name text, arguments text, filename text, output json)
      where ${has(sql`part.text`)} or ${has(sql`part.name`)} or ${has(sql`part.arguments`)}
        or ${has(sql`part.filename`)} or (${isOf('string')} and ${has(sql`part.output #>> '{}'`)})
        or exists (
          select 1 from json_to_recordset(case when ${isOf('array')} then part.output else '[]' end)
            as brought(text text, filename text)
          where ${has(sql`brought.text`)} or ${has(sql`brought.filename`)}
        )
    )`,
  }
}

/**
 * What was said, for PostgreSQL, which takes no text out of JSON that has a U+0000 or half a character in it. Models
 * said such things, and they were kept; JSON has them, and nothing else, as an escape like these.
 */
const readable = sql`case when strpos(content_json, ${'\\u'}) = 0 then content_json else
  regexp_replace(content_json, ${String.raw`(?<!\\)((?:\\\\)*)\\u(?:0000|d[89a-f]..)`}, ${String.raw`\1`}, 'g') end`
