import { findPostgres, makeTemplate, type PostgresServer, startPostgres } from './postgres-server.ts'

let server: PostgresServer | undefined

/** Before the suite runs on PostgreSQL: finds one, or starts it. */
export async function setup() {
  const bin = findPostgres()
  if (!process.env['TEST_DATABASE_URL'] && bin) {
    server = await startPostgres(bin)
    process.env['TEST_DATABASE_URL'] = server.url
  }
  const url = process.env['TEST_DATABASE_URL']
  if (url) await makeTemplate(url)
}

export async function teardown() {
  await server?.remove()
}
