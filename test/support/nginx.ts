import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from './free-port.ts'
import { until } from './until.ts'

/** The front that is deployed, before the nodes of a test. */
export interface Nginx {
  url: string
  pid: number
  /** What it logged of each request that has ended. */
  accesses(): Access[]
  remove(): Promise<void>
}

export interface Access {
  req_id: string
  method: string
  status: number
  /** The nodes that were asked, the last of them answered. */
  node: string
}

const program = '/usr/sbin/nginx'
const deployed = new URL('../../deploy/compose/nginx.conf', import.meta.url)

/** Without it the front cannot be tested; where everything must be tested, that is a failure. */
export const lacksNginx = !existsSync(program) && !process.env['REQUIRE_POSTGRES']

/** Starts nginx as `deploy/compose` does; only where it listens, and where its nodes are, is its own. */
export async function startNginx(nodeUrls: string[]): Promise<Nginx> {
  const folder = mkdtempSync(join(tmpdir(), 'parley-nginx-'))
  // Where root starts it, its workers are another user, who must get to what is inside.
  chmodSync(folder, 0o711)
  const port = await freePort()
  const conf = join(folder, 'nginx.conf')
  writeFileSync(conf, adapt(readFileSync(deployed, 'utf8'), port, nodeUrls))
  const logPath = join(folder, 'log')
  // A file, because nginx opens /dev/stdout anew, which cannot be done with a pipe of Node's.
  const log = openSync(logPath, 'a')
  const nginx = spawn(program, ['-p', folder, '-c', conf, '-e', 'stderr'], { stdio: ['ignore', log, log] })
  closeSync(log)
  await until('listening', async () => {
    if (nginx.exitCode !== null) throw new Error(`nginx ended: ${readFileSync(logPath, 'utf8')}`)
    return isOpen(port)
  })
  return {
    url: `http://127.0.0.1:${port}`,
    pid: nginx.pid ?? 0,
    accesses: () =>
      readFileSync(logPath, 'utf8')
        .split('\n')
        .filter((line) => line.startsWith('{'))
        .map((line) => JSON.parse(line) as Access),
    async remove() {
      await end(nginx)
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** Rejects a file in which the two places are not found any more: it would be tested as something else. */
function adapt(conf: string, port: number, nodeUrls: string[]): string {
  const [, options] = /server parley:8000 resolve (.*;)/.exec(conf) ?? []
  if (!options || !conf.includes('listen 8080;')) throw new Error('nginx.conf is not as it was')
  const servers = nodeUrls.map((url) => `server ${new URL(url).host} ${options}`)
  return conf
    .replace('listen 8080;', `listen 127.0.0.1:${port};`)
    .replace(/server parley:8000 .*;/, servers.join('\n'))
}

async function isOpen(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  const opened = await once(socket, 'connect').then(
    () => true,
    () => false,
  )
  socket.destroy()
  return opened
}

async function end(nginx: ChildProcess) {
  if (nginx.exitCode !== null) return
  const ended = once(nginx, 'exit')
  nginx.kill('SIGTERM')
  await ended
}
