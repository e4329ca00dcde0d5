import { expect, test } from 'vitest'
import { startServer } from '../support/server.ts'
import { echoes, startUpstream } from '../support/upstream.ts'

test('a server without any provider offers its demo, and answers with it', async () => {
  const parley = await startServer()
  const { status, body } = await parley.get('/v1/models')
  await parley.stop()
  expect(status).toBe(200)
  expect(body).toStrictEqual({
    object: 'list',
    data: [
      {
        id: 'builtin/eliza',
        object: 'model',
        created: 0,
        owned_by: 'builtin',
        source: 'builtin',
        context_window: expect.any(Number),
        default: true,
        health: { status: 'ok', since: null, last_error: null },
      },
    ],
  })
})

test('the list shows what each provider has, how it was found, and which answers by default', async () => {
  const upstream = await startUpstream()
  upstream.behaves('small', echoes())
  upstream.behaves('large', echoes())
  const parley = await startServer({
    OPENAI_BASE_URL: upstream.url,
    DEFAULT_MODEL: 'openai/large',
    PROVIDERS: JSON.stringify({
      lab: { base_url: upstream.url, models: ['qwen'], context_window_tokens: 4_096 },
      gone: { base_url: 'http://127.0.0.1:9/v1' },
    }),
  })
  const { body } = await parley.get('/v1/models')
  await parley.stop()
  await upstream.stop()
  const shown = body.data.map((model: Record<string, unknown>) => [
    model['id'],
    model['owned_by'],
    model['source'],
    model['default'],
  ])
  expect(shown).toContainEqual(['openai/small', 'openai', 'environment', false])
  expect(shown).toContainEqual(['openai/large', 'openai', 'environment', true])
  expect(shown).toContainEqual(['lab/qwen', 'lab', 'configured', false])
  expect(shown).toContainEqual(['builtin/eliza', 'builtin', 'builtin', false])
  expect(shown.filter((model: unknown[]) => model[3])).toHaveLength(1)
})
