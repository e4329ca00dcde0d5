import type { Storage, Transaction } from '../storage/storage.ts'
import type { RateWindow } from './rate-window.ts'

/** The SQL of how often providers are asked, by all nodes together. */
export function createRateStore(storage: Storage) {
  /** Holds the window of a provider until the transaction ends. */
  async function hold(tx: Transaction, provider: string): Promise<RateWindow> {
    await tx
      .insertInto('provider_rates')
      .values({ provider, window_json: '[]' })
      .onConflict((conflict) => conflict.doNothing())
      .execute()
    const { window_json: window } = await tx
      .selectFrom('provider_rates')
      .select('window_json')
      .where('provider', '=', provider)
      .$if(storage.engine === 'postgres', (query) => query.forUpdate())
      .executeTakeFirstOrThrow()
    return JSON.parse(window) as RateWindow
  }

  async function write(tx: Transaction, provider: string, window: RateWindow): Promise<void> {
    await tx
      .updateTable('provider_rates')
      .set({ window_json: JSON.stringify(window) })
      .where('provider', '=', provider)
      .execute()
  }

  return { hold, write }
}
