import type { Compilable, Kysely } from 'kysely'
import type { Schema } from './schema.ts'

/** A handle for reading. Inside `write` it refuses to work: use the transaction's own handle there. */
export type Database = Kysely<Schema>

declare const writing: unique symbol

/** The handle inside `write`: everything done with it is committed together, or not at all. */
export type Transaction = Kysely<Schema> & { readonly [writing]: true }

/** What a prepared query answers: its rows, and how many rows it changed. */
export interface PreparedResult<Row> {
  rows: Row[]
  changes: number
}

/** A query that was compiled once; runs on the reading handle or in a transaction. */
export type Prepared<Parameters, Row> = (
  on: Database | Transaction,
  parameters: Parameters,
) => Promise<PreparedResult<Row>>

export interface PrepareOptions {
  /**
   * It may answer with what is committed and not on the disk yet: only for what nobody outside learns of before it
   * is, as what a model is asked.
   */
  beforeDurable?: boolean
}

/**
 * The seam between the engines: all that a room needs of its database. Implementations: `sqlite.ts`, `postgres.ts`.
 */
export interface Storage {
  readonly engine: 'sqlite' | 'postgres'

  /** Reads committed data. */
  readonly db: Database

  /**
   * Runs `work` in a transaction and resolves once it is durable. One that throws is rolled back alone and
   * rejects with what it threw. Where two are in each other's way, `work` may be run again. Nothing slow belongs
   * inside: it holds the one writer (SQLite), or a connection and its locks (PostgreSQL).
   */
  write<T>(work: (tx: Transaction) => Promise<T>): Promise<T>

  /**
   * Runs `effect` as soon as `tx` is committed, maybe before it is on the disk: for what nobody outside learns of
   * before that.
   */
  atCommit(tx: Transaction, effect: () => void): void

  /** Runs `effect` right after `tx` is durable; never, if it is not. */
  afterCommit(tx: Transaction, effect: () => void): void

  /**
   * Compiles a query once, for the paths where building it each time would cost more than running it.
   * `parameters` stands for the values that come later.
   */
  prepare<Parameters extends object, Row>(
    build: (db: Database, parameters: Parameters) => Compilable<Row>,
    options?: PrepareOptions,
  ): Prepared<Parameters, Row>

  /** Waits for the writes under way and closes every connection. */
  close(): Promise<void>
}
