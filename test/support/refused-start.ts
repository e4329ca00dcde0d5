import { spawn } from 'node:child_process'
import { once } from 'node:events'

export const main = new URL('../../src/main.js', import.meta.url).pathname

/** Starts a server that should not start, as the user `uid`; how it ended, and what it said. */
export async function startRefused(
  env: Record<string, string>,
  uid?: number,
): Promise<{ code: number | null; said: string }> {
  const child = spawn(process.execPath, [main], {
    cwd: '/',
    env: { PORT: '0', DETECT: 'off', LOG_FORMAT: 'json', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 8_000,
    ...(uid !== undefined && { uid, gid: uid }),
  })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (said += text))
  }
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, said }
}
