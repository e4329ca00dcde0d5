import { type ChildProcess, spawn } from 'node:child_process'
import { EventEmitter, on, once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type Client, createClient } from './client.ts'
import { createDatabase } from './database.ts'

export interface Ended {
  code: number | null
  signal: NodeJS.Signals | null
}

/** A server in a process of its own, as a user would start it, on data of its own. */
export interface ServerProcess extends Client {
  readonly pid: number
  /** What it logged as an error, and what it wrote to stderr, in all its lives. */
  readonly complaints: string[]
  /** Starts it again on the same data; rejects where it ends before it listens. */
  start(env?: Record<string, string>): Promise<void>
  /** Resolves when it listens: at once, or after its next start. */
  whenUp(): Promise<void>
  /** Resolves when it logs a line with `text`. */
  logs(text: string): Promise<void>
  /** Nobody reads its log from now on. */
  leaveLog(): void
  /** Sends a signal, and resolves when the process has ended. */
  end(signal: 'SIGKILL' | 'SIGTERM' | 'SIGINT'): Promise<Ended>
  /** Sends a signal, and does not wait. */
  send(signal: NodeJS.Signals): void
  /** Kills it, if it runs, and removes its data. */
  remove(): Promise<void>
}

export const mainFile = new URL('../../src/main.js', import.meta.url).pathname
/** Of pino. */
const errorLevel = 50

const processEnv = {
  PORT: '0',
  DETECT: 'off',
  LOG_FORMAT: 'json',
  RETRY_BASE_MS: '1',
}

/** Starts a server, configured as by the environment `env`, under Node's own options `nodeOptions`. */
export async function spawnServer(
  env: Record<string, string> = {},
  nodeOptions: string[] = [],
): Promise<ServerProcess> {
  const folder = mkdtempSync(join(tmpdir(), 'parley-process-'))
  const database = env['DATABASE_URL'] === undefined ? await createDatabase() : undefined
  const complaints: string[] = []
  const lines = new EventEmitter()
  let child: ChildProcess | undefined
  let url = ''
  let up = Promise.withResolvers<void>()

  async function start(more: Record<string, string> = {}) {
    const started = spawn(process.execPath, [...nodeOptions, mainFile], {
      // No .env of the developer's is found there.
      cwd: folder,
      env: {
        ...process.env,
        ...processEnv,
        ...(database && { DATABASE_URL: database.url }),
        ...env,
        ...more,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    child = started
    const before = complaints.length
    started.stderr.setEncoding('utf8').on('data', (text: string) => complaints.push(text))
    const listening = new Promise<void>((resolve, reject) => {
      started.once('exit', (code, signal) =>
        reject(new Error(`it ended with ${code ?? signal}\n${complaints.slice(before).join('')}`)),
      )
      createInterface(started.stdout).on('line', (line) => {
        const { level, msg } = JSON.parse(line) as { level: number; msg: string }
        if (level >= errorLevel) complaints.push(line)
        lines.emit('line', msg)
        const [, found] = / listens on (\S+)/.exec(msg) ?? []
        // The last lines of one that was killed may come after its end.
        if (!found || hasEnded(started)) return
        url = found
        // Not before: whoever waits for it waits through starts that fail.
        started.once('exit', () => (up = Promise.withResolvers()))
        up.resolve()
        resolve()
      })
    })
    await listening
  }

  async function end(signal: 'SIGKILL' | 'SIGTERM' | 'SIGINT'): Promise<Ended> {
    if (!child) throw new Error('it was never started')
    if (!hasEnded(child)) {
      const ended = once(child, 'exit')
      child.kill(signal)
      await ended
    }
    return { code: child.exitCode, signal: child.signalCode }
  }

  await start()
  const client = createClient(() => url)
  return {
    ...client,
    get url() {
      return url
    },
    get pid() {
      return child?.pid ?? 0
    },
    complaints,
    start,
    whenUp: () => up.promise,
    async logs(text) {
      for await (const [msg] of on(lines, 'line') as AsyncIterable<[string]>) if (msg.includes(text)) return
    },
    leaveLog: () => child?.stdout?.destroy(),
    end,
    send: (signal) => void child?.kill(signal),
    async remove() {
      await end('SIGKILL')
      await database?.remove()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null
}
