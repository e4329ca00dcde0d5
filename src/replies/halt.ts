import type { Log } from '../log.ts'
import type { Notices } from '../storage/notices.ts'
import type { Storage, Transaction } from '../storage/storage.ts'
import type { ReplyStore } from './store.ts'

/** How often what runs here is compared with the rows: a notice may have been lost. */
const lookMs = 1_000

/**
 * Ends the making of replies that were cancelled or removed, on whatever node: closes the call to the provider. It
 * could write nothing more anyway; this is so that nobody pays for an answer that nobody gets.
 */
export function createHalt(parts: {
  storage: Storage
  store: Pick<ReplyStore, 'openAmong'>
  runner: { readonly running: string[]; abandon(id: string): void }
  /** Of other nodes, where there are any. */
  notices: Notices | undefined
  log: Log
}) {
  const { storage, store, runner, notices, log } = parts
  let timer: NodeJS.Timeout | undefined

  async function look() {
    const { running } = runner
    if (running.length === 0) return
    const open = await store.openAmong(running)
    for (const id of running) if (!open.has(id)) runner.abandon(id)
  }

  notices?.listen('halted', runner.abandon)

  return {
    /** Halts `replyIds` once `tx` is durable. */
    halt(tx: Transaction, replyIds: string[]) {
      storage.afterCommit(tx, () => {
        for (const id of replyIds) {
          runner.abandon(id)
          notices?.tell('halted', id)
        }
      })
    },
    start() {
      if (!notices) return
      timer = setInterval(() => {
        look().catch((error: unknown) => log.debug({ err: error }, 'running replies could not be looked at'))
      }, lookMs)
    },
    stop() {
      clearInterval(timer)
    },
  }
}
