import { findPostgres } from '../test/support/postgres-server.ts'
import { benchJobStart } from './cluster/job-start.ts'
import { benchClusterPosts } from './cluster/posts.ts'
import { benchTokenLatency } from './cluster/token-latency.ts'
import { benchTwoNodes } from './cluster/two-nodes.ts'
import { startMeasuredPostgres } from './support/postgres.ts'
import type { Running } from './support/processes.ts'
import type { Line } from './support/report.ts'

/** Nodes on a PostgreSQL of our own, which waits for its disk. Each part has a database of its own there. */
export async function benchCluster(upstream: Running): Promise<Line[]> {
  if (!findPostgres()) {
    console.log('*** cluster: NOT MEASURED, there is no PostgreSQL. Install it (apt-get install postgresql).')
    return []
  }
  const postgres = await startMeasuredPostgres()
  try {
    return [
      ...(await benchTokenLatency(postgres, upstream)),
      ...(await benchJobStart(postgres, upstream)),
      ...(await benchClusterPosts(postgres, upstream)),
      ...(await benchTwoNodes(postgres, upstream)),
    ]
  } finally {
    await postgres.stop()
  }
}
