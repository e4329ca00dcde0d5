import { existsSync } from 'node:fs'
import { enableCompileCache } from 'node:module'
import { fileURLToPath } from 'node:url'

// The one file in JavaScript: Node would load its TypeScript compiler for it (17 MB) before there is a cache to
// spare that. What is in the cache starts in half the time.
enableCompileCache(fileURLToPath(new URL('../node_modules/.cache/parley', import.meta.url)))

if (existsSync('.env')) process.loadEnvFile('.env')

const { start } = await import('./start.ts')
// After an installation it only fills the cache, so that the first start is as quick and as small as all others.
if (process.argv[2] !== '--compile') await start(process.env)
