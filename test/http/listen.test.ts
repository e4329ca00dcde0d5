import { expect, test } from 'vitest'
import { StartupError } from '../../src/errors.ts'
import { startServer } from '../support/server.ts'

test('a port that is taken is named, with what to do', async () => {
  const server = await startServer()
  const { port } = new URL(server.url)
  const second = startServer({ PORT: port })
  await expect(second).rejects.toThrow(StartupError)
  await expect(second).rejects.toThrow(`PORT: ${port} on 127.0.0.1 is taken by another program`)
  await server.stop()
})
