import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { Client } from 'pg'
import { expect, test } from 'vitest'
import { createDatabase } from '../support/database.ts'
import { startServer } from '../support/server.ts'

/** Stands between a node and its database, as a pooler does; its own connections are known by their ports. */
async function startRelay(databaseUrl: string) {
  const { hostname, port } = new URL(databaseUrl)
  const ports: number[] = []
  const sockets = new Set<Socket>()
  const server = createServer((near) => {
    const far = connect(Number(port), hostname, () => ports.push(far.localPort ?? 0))
    near.pipe(far).pipe(near)
    for (const socket of [near, far]) {
      sockets.add(socket)
      socket.on('error', () => {})
    }
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = new URL(databaseUrl)
  url.host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url: url.href,
    ports,
    stop() {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  }
}

test('the session that a node needs for itself goes past a pooler, everything else through it', async () => {
  const database = await createDatabase()
  const relay = await startRelay(database.url)
  const parley = await startServer({ DATABASE_URL: relay.url, DATABASE_DIRECT_URL: database.url })
  await parley.say(await parley.begin(), 'Hello')

  const client = new Client({ connectionString: database.url, application_name: 'test' })
  await client.connect()
  const { rows } = await client.query<{ port: number; listens: boolean; holds: boolean }>(`
    select client_port as port, application_name = 'parley notices' as listens,
      exists (select 1 from pg_locks where locktype = 'advisory' and granted and pid = activity.pid) as holds
    from pg_stat_activity activity
    where datname = current_database() and client_port is not null and pid <> pg_backend_pid()`)
  const past = rows.filter(({ port }) => !relay.ports.includes(port))
  expect(past).toEqual([expect.objectContaining({ listens: true, holds: true })])
  expect(rows.length).toBeGreaterThan(2)
  await client.end()
  await parley.stop()
  relay.stop()
  await database.remove()
})
