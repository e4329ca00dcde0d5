import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'

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
  return running(child, `http://127.0.0.1:${port}`)
}

/** Starts the server as a user would, on data of its own. */
export async function startParley(env: Record<string, string>): Promise<Running> {
  const port = String(20_000 + Math.floor(Math.random() * 20_000))
  const child = fork(`${here}../../src/main.ts`, {
    env: { ...process.env, DETECT: 'off', LOG_LEVEL: 'warn', PORT: port, ...env },
  })
  const url = `http://127.0.0.1:${port}`
  for (;;) {
    const isUp = await fetch(`${url}/readyz`).then(
      ({ ok }) => ok,
      () => false,
    )
    if (isUp) return running(child, url)
    if (child.exitCode !== null) throw new Error('the server did not start')
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

function running(child: ChildProcess, url: string): Running {
  return {
    url,
    pid: child.pid ?? 0,
    async stop() {
      if (child.exitCode !== null) return
      const ended = once(child, 'exit')
      child.kill('SIGTERM')
      const late = setTimeout(() => child.kill('SIGKILL'), 10_000)
      await ended
      clearTimeout(late)
    },
  }
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
