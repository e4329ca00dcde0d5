import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { freePort } from '../../test/support/free-port.ts'
import { makeFolder } from './folders.ts'
import type { Running } from './processes.ts'

const startsWithinMs = 20_000

/** Installs a server of somebody else in a folder of its own, and starts it. */
export async function startPeer(
  packageName: string,
  file: string,
  argumentsFor: (port: number) => string[],
  /** Runs before it. */
  preload: string,
): Promise<Running> {
  const folder = makeFolder()
  execFileSync('npm', ['install', '--no-audit', '--no-fund', '--silent', '--prefix', folder, packageName])
  const port = await freePort()
  const path = `${folder}/node_modules/${packageName.replace(/@[\d.]+$/, '')}/${file}`
  const child = spawn(
    process.execPath,
    ['--import', `data:text/javascript,${encodeURIComponent(preload)}`, path, ...argumentsFor(port)],
    { stdio: 'ignore' },
  )
  const url = `http://127.0.0.1:${port}`
  await untilItAnswers(url)
  return {
    url,
    pid: child.pid ?? 0,
    async stop() {
      const ended = once(child, 'exit')
      child.kill('SIGTERM')
      await ended
    },
  }
}

async function untilItAnswers(url: string): Promise<void> {
  const late = performance.now() + startsWithinMs
  for (;;) {
    const response = await fetch(url, { signal: AbortSignal.timeout(1_000) }).catch(() => undefined)
    if (response) return
    if (performance.now() > late) throw new Error(`${url} does not answer`)
    await pause(100)
  }
}
