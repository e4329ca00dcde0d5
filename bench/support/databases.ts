import { Client } from 'pg'
import type { MeasuredPostgres } from './postgres.ts'

/** Makes a database on the server, and gives its address. */
export async function makeDatabase({ admin, url }: MeasuredPostgres, name: string): Promise<string> {
  await admin.query(`create database ${name}`)
  const made = new URL(url)
  made.pathname = `/${name}`
  return made.href
}

/** The number that a query gives. */
export async function numberFrom(databaseUrl: string, query: string): Promise<number> {
  const client = new Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    const { rows } = await client.query({ text: query, rowMode: 'array' })
    return Number((rows[0] as unknown[] | undefined)?.[0])
  } finally {
    await client.end()
  }
}
