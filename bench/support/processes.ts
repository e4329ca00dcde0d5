import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { spawnServer } from '../../test/support/process.ts'

export interface Running {
  url: string
  pid: number
  stop(): Promise<void>
}

const here = new URL('.', import.meta.url).pathname

/** Starts a helper of this folder; it tells its port. */
export async function startHelper(name: string, env: Record<string, string> = {}): Promise<Running> {
  const child = fork(`${here}${name}.ts`, { env: { ...process.env, ...env } })
  const [port] = (await once(child, 'message')) as [number]
  return { url: `http://127.0.0.1:${port}`, pid: child.pid ?? 0, stop: () => stop(child) }
}

/** Starts the server as a user would, on data of its own where `env` names none. */
export async function startParley(
  env: Record<string, string>,
  nodeOptions = startOptions(),
): Promise<Running> {
  const server = await spawnServer({ STOP_GRACE_MS: '0', ...env }, nodeOptions)
  return {
    url: server.url,
    pid: server.pid,
    async stop() {
      await server.end('SIGTERM')
      await server.remove()
    },
  }
}

/** The options of Node that `npm start` gives. */
function startOptions(): string[] {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  const { scripts } = JSON.parse(text) as { scripts: { start: string } }
  return scripts.start.split(' ').slice(1, -1)
}

async function stop(child: ChildProcess) {
  if (child.exitCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  await ended
}

/** CPU time of a process so far, user and system, in milliseconds. */
export function cpuMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const ticks = Number(fields[11]) + Number(fields[12])
  return ticks * 10
}

/** Resident memory of a process in MB. */
export function residentMb(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1_000
}

/** Resident memory of the children of a process in MB. */
export function childrenMb(pid: number): number {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean)
  return children.reduce((sum, child) => sum + residentMb(Number(child)), 0)
}
