import { Client } from 'pg'
import { findPostgres, type PostgresServer, startPostgres } from './postgres-server.ts'

/** How PostgreSQL ran a statement. */
export interface Plan {
  /** In one line. */
  statement: string
  nodes: PlanNode[]
}

/** One step of it, with what it really did. */
export interface PlanNode {
  type: string
  /** The table that it reads. */
  table: string | undefined
  /** Rows that it looked at, whether they were wanted or not. */
  rows: number
}

/** A PostgreSQL that writes down how it runs everything. */
export interface PlanningPostgres {
  /** A database in it. */
  url: string
  client: Client
  /** From now on: what a connection that is opened later runs. */
  watch(): Promise<void>
  /** What it ran since. */
  plans(): Promise<Plan[]>
  stop(): Promise<void>
}

interface ExplainedNode {
  'Node Type': string
  'Relation Name'?: string
  'Actual Rows': number
  'Actual Loops': number
  'Rows Removed by Filter'?: number
  'Rows Removed by Index Recheck'?: number
  Plans?: ExplainedNode[]
}

const logged = /^duration: .*? plan:\n/

/** Starts one of our own: only its administrator may have plans explained, and read the log. */
export async function startPlanningPostgres(): Promise<PlanningPostgres> {
  const server: PostgresServer = await startPostgres(findPostgres() ?? '', {
    logging_collector: 'on',
    log_destination: 'jsonlog',
    log_rotation_size: '0',
    // What it knows of its tables is what the test says.
    autovacuum: 'off',
  })
  const client = new Client({ connectionString: server.url })
  await client.connect()

  let readBytes = 0
  const found: Plan[] = []

  async function plans() {
    const { rows } = await client.query<{ log: Buffer }>(
      "select pg_read_binary_file(pg_current_logfile('jsonlog'), $1, 1000000000) as log",
      [readBytes],
    )
    const added = rows[0]?.log ?? Buffer.alloc(0)
    // The last line may not be whole yet.
    const whole = added.subarray(0, added.lastIndexOf('\n') + 1)
    readBytes += whole.length
    for (const line of whole.toString().split('\n')) {
      if (!line.includes('plan:')) continue
      const { message } = JSON.parse(line) as { message: string }
      if (logged.test(message)) found.push(toPlan(message.replace(logged, '')))
    }
    return found
  }

  return {
    url: server.url,
    client,
    async watch() {
      const settings = {
        session_preload_libraries: 'auto_explain',
        'auto_explain.log_min_duration': '0',
        'auto_explain.log_format': 'json',
        'auto_explain.log_analyze': 'on',
        // It is what takes time.
        'auto_explain.log_timing': 'off',
        'auto_explain.log_nested_statements': 'on',
      }
      await client.query("load 'auto_explain'")
      for (const [name, value] of Object.entries(settings)) {
        await client.query(`alter database postgres set ${name} = '${value}'`)
      }
    },
    plans,
    async stop() {
      await client.end()
      await server.remove()
    },
  }
}

function toPlan(json: string): Plan {
  const { 'Query Text': statement, Plan: root } = JSON.parse(json) as {
    'Query Text': string
    Plan: ExplainedNode
  }
  return { statement: statement.replaceAll(/\s+/g, ' ').trim(), nodes: [...nodesOf(root)] }
}

function* nodesOf(node: ExplainedNode): Generator<PlanNode> {
  const rows =
    node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0) + (node['Rows Removed by Index Recheck'] ?? 0)
  yield { type: node['Node Type'], table: node['Relation Name'], rows: rows * node['Actual Loops'] }
  for (const child of node.Plans ?? []) yield* nodesOf(child)
}
