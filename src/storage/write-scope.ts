import { AsyncLocalStorage } from 'node:async_hooks'
import type { Transaction } from './storage.ts'

/** What is to be done once a transaction is committed, and once it is durable as well. */
export interface Effects {
  atCommit: Array<() => void>
  afterCommit: Array<() => void>
}

/** What happens around the work of a transaction, the same on every engine. */
export interface WriteScope {
  /** Throws where `what` is done inside `write`, on a handle that is not the transaction's. */
  refuseInside(what: string): void
  /** Does the work and resolves with its result, and with what is to be done once it is durable. */
  run<T>(tx: Transaction, work: (tx: Transaction) => Promise<T>): Promise<{ result: T; effects: Effects }>
  atCommit(tx: Transaction, effect: () => void): void
  afterCommit(tx: Transaction, effect: () => void): void
}

/**
 * Inside `write` only the transaction's handle may be used. On PostgreSQL another one would silently run outside
 * of the transaction, on SQLite it would never return: here it is the same error on either.
 */
export function createWriteScope(): WriteScope {
  const scope = new AsyncLocalStorage<{ isOpen: boolean }>()
  const effects = new WeakMap<Transaction, Effects>()
  return {
    refuseInside(what) {
      if (scope.getStore()?.isOpen) throw new Error(`${what} inside write(): use the transaction's handle`)
    },
    async run(tx, work) {
      const open = { isOpen: true }
      const own: Effects = { atCommit: [], afterCommit: [] }
      effects.set(tx, own)
      try {
        const result = await scope.run(open, work, tx)
        return { result, effects: own }
      } finally {
        open.isOpen = false
      }
    },
    atCommit: (tx, effect) => void effects.get(tx)?.atCommit.push(effect),
    afterCommit: (tx, effect) => void effects.get(tx)?.afterCommit.push(effect),
  }
}

/**
 * Runs what was to be done after the commit. One that throws is a mistake that ends the process, but it takes back
 * no commit, and keeps no other from being told of its own.
 */
export function runEffects(effects: Array<() => void>): void {
  for (const effect of effects) {
    try {
      effect()
    } catch (error) {
      queueMicrotask(() => {
        throw error
      })
    }
  }
}
