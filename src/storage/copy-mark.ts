import { sql } from 'kysely'
import { StartupError } from '../errors.ts'
import { newId } from '../ids.ts'
import type { Database, Storage, Transaction } from './storage.ts'

/** A table that is there only while the database is an unfinished copy of another. */
const mark = sql.table('unfinished_copy')

/** The right to write an unfinished copy. */
export interface CopyMark {
  /** Locks the copy for `tx`; throws where another process has taken it over. */
  hold(tx: Transaction): Promise<void>
  /** Says that the copy is whole. */
  remove(tx: Transaction): Promise<void>
}

/**
 * Gives `storage` back where it is no unfinished copy, with which a server would work on half of the data; else
 * closes it and rejects with a StartupError.
 */
export async function requireWhole(storage: Storage): Promise<Storage> {
  const source = await findSource(storage)
  if (source === undefined) return storage
  await storage.close()
  throw new StartupError(
    `DATABASE_URL: this database is an unfinished copy of ${source}. ` +
      'Run the same "npm run migrate" again to finish it, or use another database.',
  )
}

/** What the database is an unfinished copy of. */
export async function findSource(storage: Storage): Promise<string | undefined> {
  if (!(await hasMark(storage))) return undefined
  const { rows } = await sql<{ source: string }>`select source from ${mark}`.execute(storage.db)
  return rows[0]?.source
}

async function hasMark({ engine, db }: { engine: Storage['engine']; db: Database }): Promise<boolean> {
  const find =
    engine === 'postgres'
      ? sql`select 1 where to_regclass('unfinished_copy') is not null`
      : sql`select 1 from sqlite_schema where name = 'unfinished_copy'`
  return (await find.execute(db)).rows.length > 0
}

/** Marks the database as an unfinished copy of `source`. */
export async function markAsCopy(storage: Storage, source: string): Promise<void> {
  await storage.write(async (tx) => {
    await sql`create table ${mark} (source text not null, copier text not null)`.execute(tx)
    await sql`insert into ${mark} values (${source}, ${newId()})`.execute(tx)
  })
}

/** Takes the copy over: whoever was writing it can write nothing more. */
export async function takeCopy(storage: Storage): Promise<CopyMark> {
  const copier = newId()
  await storage.write((tx) => sql`update ${mark} set copier = ${copier}`.execute(tx))
  return {
    async hold(tx) {
      const { numAffectedRows } =
        await sql`update ${mark} set copier = ${copier} where copier = ${copier}`.execute(tx)
      if (!numAffectedRows)
        throw new StartupError('another process has begun to copy into the same database.')
    },
    remove: async (tx) => void (await sql`drop table ${mark}`.execute(tx)),
  }
}
