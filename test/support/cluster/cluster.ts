import { setTimeout as pause } from 'node:timers/promises'
import { Client } from 'pg'
import { createClient } from '../client.ts'
import type { Target } from '../crash/target.ts'
import { freePort } from '../free-port.ts'
import { startNginx } from '../nginx.ts'
import { findPostgres, type PostgresServer, startPostgres } from '../postgres-server.ts'
import { type ServerProcess, spawnServer } from '../process.ts'
import { until } from '../until.ts'

/** Who could not reach anybody waits for so long before it tries again. */
const backoffMs = 50

export interface ClusterNode {
  server: ServerProcess
  /** Its own user in the database, so that one can tell there which node is which. */
  user: string
  state: 'up' | 'frozen' | 'down'
}

/** Nodes behind nginx, as they are deployed, on a PostgreSQL that nobody else uses. */
export interface Cluster {
  /** What clients talk to. */
  front: Target
  nodes: ClusterNode[]
  postgres: PostgresServer
  /** Asks the database, on a connection of its own. Rejects while it is away. */
  query<Row>(text: string, values?: unknown[]): Promise<Row[]>
  /** Resolves when every node, also seen through nginx, answers from the database. */
  whenWell(): Promise<void>
  remove(): Promise<void>
}

export async function startCluster(
  env: Record<string, string>,
  { size = 3, fsync = 'off' }: { size?: number; fsync?: 'on' | 'off' } = {},
): Promise<Cluster> {
  const bin = findPostgres()
  if (!bin) throw new Error('no PostgreSQL: install it (apt-get install postgresql)')
  const postgres = await startPostgres(bin, { fsync })
  const users = Array.from({ length: size }, (_, index) => `node_${index + 1}`)
  for (const user of users) await query(`create role ${user} superuser login`)
  const nodes = await Promise.all(users.map(startNode))
  const nginx = await startNginx(nodes.map(({ server }) => server.url))
  const front = createClient(() => nginx.url)

  async function startNode(user: string): Promise<ClusterNode> {
    const url = new URL(postgres.url)
    url.username = user
    // The same one in all of its lives: nginx knows it by that.
    const port = await freePort()
    const server = await spawnServer({
      DATABASE_URL: url.href,
      PORT: String(port),
      TRUST_PROXY: 'on',
      ...env,
    })
    return { server, user, state: 'up' }
  }

  async function query<Row>(text: string, values: unknown[] = []): Promise<Row[]> {
    const client = new Client({ connectionString: postgres.url, connectionTimeoutMillis: 2_000 })
    // What breaks it is told to the query as well.
    client.on('error', () => {})
    try {
      await client.connect()
      return (await client.query(text, values)).rows as Row[]
    } finally {
      await client.end().catch(() => {})
    }
  }

  return {
    front: {
      ...front,
      get url() {
        return front.url
      },
      whenUp: () => pause(backoffMs),
    },
    nodes,
    postgres,
    query,
    async whenWell() {
      const asked = [...nodes.map(({ server }) => server), ...nodes.map(() => front)]
      await until(
        'well',
        async () => {
          const answers = await Promise.all(
            asked.map((client) => client.get('/v1/interactions').catch(() => undefined)),
          )
          return answers.every((answer) => answer?.status === 200)
        },
        30_000,
      ).catch((error: unknown) => {
        throw new AggregateError([error], nodes.flatMap(({ server }) => server.complaints).join('\n'))
      })
    },
    async remove() {
      await nginx.remove()
      for (const { server } of nodes) await server.remove()
      await postgres.remove()
    },
  }
}
