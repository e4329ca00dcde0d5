import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { describeSettings, loadConfig } from '../src/config.ts'
import { StartupError } from '../src/errors.ts'
import type { Json } from './support/client.ts'

const settings = new Set([...describeSettings().matchAll(/^# ([A-Z0-9_]+)=/gm)].map(([, name]) => name))
const folder = new URL('../deploy', import.meta.url).pathname

/** Every document of every manifest, by its file. */
const manifests = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .filter((path) => /\.ya?ml(\.template)?$/.test(path))
  .flatMap((path) =>
    parseAllDocuments(readFileSync(join(folder, path), 'utf8'), { merge: true }).map((document) => ({
      path,
      document,
    })),
  )
const objects: Array<{ path: string; object: Json }> = manifests
  .filter(({ path }) => path.startsWith('kubernetes/'))
  .map(({ path, document }) => ({ path, object: document.toJS() }))

function find(kind: string, name = 'parley'): Json {
  return objects.find(({ object }) => object.kind === kind && object.metadata.name === name)?.object
}

const compose: Json = manifests.find(({ path }) => path === 'compose/docker-compose.yml')?.document.toJS()
const nginx = readFileSync(join(folder, 'compose/nginx.conf'), 'utf8')
const dockerfile = readFileSync('Dockerfile', 'utf8')

/** The last value that matters of a directive of nginx.conf, for each of its places. */
function directive(name: string): string[] {
  return [...nginx.matchAll(new RegExp(`^\\s*${name} (.*);`, 'gm'))].map(([, value]) => value ?? '')
}

/** What a file of the server has as a number, where it is no setting. */
function constant(path: string, pattern: RegExp): number {
  const [, digits = ''] = pattern.exec(readFileSync(path, 'utf8')) ?? []
  expect(digits, `${pattern} in ${path}`).not.toBe('')
  return Number(digits.replaceAll('_', ''))
}

const imageEnv = Object.fromEntries(
  (/^ENV (.*)$/m.exec(dockerfile)?.[1] ?? '').split(' ').map((pair) => pair.split('=') as [string, string]),
)
const secret: Record<string, string> = find('Secret').stringData
const podEnv: Record<string, string> = {
  ...imageEnv,
  ...find('ConfigMap').data,
  ...secret,
  // As somebody fills it in.
  API_KEY: 'a-secret-of-enough-characters',
  DATABASE_URL: secret['DATABASE_URL']?.replaceAll(/<(\w+)>/g, '$1'),
}
const composeEnv = {
  ...imageEnv,
  ...(JSON.parse(
    JSON.stringify(compose.services.parley.environment)
      // As compose fills them in.
      .replaceAll(/\$\{\w+:-([^}]*)\}/g, '$1')
      .replaceAll(/\$\{\w+:\?[^}]*\}/g, 'a-secret-of-enough-characters'),
  ) as Record<string, string>),
}

/** Between SIGTERM and the end of a node at the latest, beside STOP_GRACE_MS. */
const spareMs = constant('src/start.ts', /spareMs = ([\d_]+)/)
/** Of a node, beside its pool. */
const otherConnections = 5

describe('what is deployed', () => {
  test('can be read', () => {
    expect(manifests.length).toBeGreaterThan(7)
    for (const { path, document } of manifests) expect(document.errors, path).toEqual([])
    for (const { path, object } of objects) {
      const name = path.includes('roles/') ? 'parley-worker' : 'parley'
      expect(object, path).toMatchObject({
        apiVersion: expect.any(String),
        kind: expect.any(String),
        metadata: { name, labels: { 'app.kubernetes.io/name': name } },
      })
    }
  })

  test('sets only what is a setting', () => {
    const names = [compose.services.parley.environment, find('ConfigMap').data, secret]
      .flatMap((variables) => Object.keys(variables))
      .filter((name) => !settings.has(name))
    expect(names).toEqual([])
  })

  test.each([
    ['compose', composeEnv],
    ['Kubernetes', podEnv],
  ])('starts as a node of a cluster behind a proxy: %s', (_where, env) => {
    expect(loadConfig(env)).toMatchObject({
      database: { engine: 'postgres' },
      host: '0.0.0.0',
      port: 8000,
      trustProxy: 'on',
    })
  })

  test('does not start with the secret that anybody can read here', () => {
    expect(() => loadConfig({ ...podEnv, ...secret })).toThrow(StartupError)
  })

  test('listens where others look for it', () => {
    const port = Number(/^EXPOSE (\d+)$/m.exec(dockerfile)?.[1])
    expect(Number(imageEnv['PORT'])).toBe(port)
    const [container] = find('Deployment').spec.template.spec.containers
    expect(container.ports).toEqual([{ name: 'http', containerPort: port }])
    expect(find('Service').spec.ports[0].targetPort).toBe('http')
    expect(directive('server')).toEqual([expect.stringMatching(`^parley:${port} `)])
    const [listened] = directive('listen')
    expect(compose.services.nginx.ports).toEqual([`127.0.0.1:8080:${listened}`])
    expect(compose.services.nginx.healthcheck.test.at(-1)).toBe(`http://127.0.0.1:${listened}/readyz`)
  })

  test('is the image that the Dockerfile makes, and its user', () => {
    const { securityContext, containers } = find('Deployment').spec.template.spec
    expect(containers[0].image).toMatch(new RegExp(`^${compose.services.parley.image}:`))
    expect(dockerfile).toContain(`--uid ${securityContext.runAsUser} `)
    expect(securityContext.runAsNonRoot).toBe(true)
    expect(containers[0].securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    })
  })

  test('asks a node how it is where it says that', () => {
    const [container] = find('Deployment').spec.template.spec.containers
    const paths = ['startupProbe', 'livenessProbe', 'readinessProbe'].map(
      (probe) => container[probe].httpGet.path,
    )
    expect(paths).toEqual(['/healthz', '/healthz', '/readyz'])
    for (const path of paths) expect(readFileSync('src/http/health.ts', 'utf8')).toContain(`'${path}'`)
  })

  test('gives a node longer to end than it takes', () => {
    const { terminationGracePeriodSeconds, containers } = find('Deployment').spec.template.spec
    const [program, seconds] = containers[0].lifecycle.preStop.exec.command
    expect(program).toBe('sleep')
    const podMs = Number(seconds) * 1_000 + loadConfig(podEnv).stopGraceMs + spareMs
    expect(terminationGracePeriodSeconds * 1_000).toBeGreaterThan(podMs)
    const containerMs = loadConfig(composeEnv).stopGraceMs + spareMs
    expect(Number.parseInt(compose.services.parley.stop_grace_period) * 1_000).toBeGreaterThan(containerMs)
  })

  test('opens no more connections than PostgreSQL takes', () => {
    const [, max] = /max_connections=(\d+)/.exec(compose.services.postgres.command.join(' ')) ?? []
    const perNode = loadConfig(composeEnv).databasePoolSize + otherConnections
    const { parley, worker } = compose.services
    // The last three are for its administrator; a restart may have one node twice.
    const nodes = parley.deploy.replicas + worker.deploy.replicas + 1
    expect(nodes * perNode).toBeLessThan(Number(max) - 3)
  })

  test('names only objects that are there', () => {
    const { spec } = find('Deployment')
    const labels = { 'app.kubernetes.io/name': 'parley' }
    expect(spec.template.metadata.labels).toEqual(labels)
    expect(spec.selector.matchLabels).toEqual(labels)
    expect(find('Service').spec.selector).toEqual(labels)
    expect(find('PodDisruptionBudget').spec.selector.matchLabels).toEqual(labels)
    expect(spec.template.spec.containers[0].envFrom).toEqual([
      { configMapRef: { name: 'parley' } },
      { secretRef: { name: 'parley' } },
    ])
    const [{ name, key }] = find('TriggerAuthentication').spec.secretTargetRef
    expect(name).toBe('parley')
    expect(secret).toHaveProperty(key)
  })
})

describe('a worker', () => {
  test('on Kubernetes is a node like the others, which the service does not find', () => {
    const [node, worker] = [find('Deployment'), find('Deployment', 'parley-worker')].map((deployment) =>
      structuredClone(deployment.spec.template.spec),
    )
    expect(worker.containers[0].env).toEqual([{ name: 'ROLE', value: 'worker' }])
    delete worker.containers[0].env
    const labels = { 'app.kubernetes.io/name': 'parley-worker' }
    expect(worker.topologySpreadConstraints[0].labelSelector.matchLabels).toEqual(labels)
    worker.topologySpreadConstraints = node.topologySpreadConstraints
    expect(worker).toEqual(node)
    const { selector, template } = find('Deployment', 'parley-worker').spec
    expect([selector.matchLabels, template.metadata.labels]).toEqual([labels, labels])
  })

  test('with compose is a node like the others, which runs only where it is asked for', () => {
    const { parley, worker } = compose.services
    const { profiles, ...rest } = worker
    expect(profiles).toEqual(['worker'])
    expect(rest).toEqual({
      ...parley,
      deploy: { replicas: 2 },
      environment: { ...parley.environment, ROLE: 'worker' },
    })
    expect(loadConfig({ ...composeEnv, ROLE: 'worker' }).role).toBe('worker')
    expect(nginx).not.toContain('worker:')
  })
})

test('the dashboard is for the operator of this machine alone, who may look, and is asked for a password', () => {
  const { profiles, ports, environment, build } = compose.services.dashboard
  expect(profiles).toEqual(['operator'])
  expect(ports).toEqual(['127.0.0.1:3000:3000'])
  expect(environment).toMatchObject({
    PGBOSS_DASHBOARD_READ_ONLY: '1',
    PGBOSS_DASHBOARD_AUTH_USERNAME: 'operator',
    // With a name and without a password it does not start.
    PGBOSS_DASHBOARD_AUTH_PASSWORD: '${DASHBOARD_PASSWORD:-}',
    DATABASE_URL: compose.services.parley.environment.DATABASE_URL,
  })
  const [version] = /@pg-boss\/dashboard@[\d.]+/.exec(build.dockerfile_inline) ?? []
  const page = readFileSync('docs/operating-a-cluster.md', 'utf8')
  expect(page).toContain(`npx --package ${version} pg-boss-dashboard`)
  expect(page.match(/PGBOSS_DASHBOARD_READ_ONLY=\w+/g)).toEqual(['PGBOSS_DASHBOARD_READ_ONLY=1'])
})

describe('autoscaling', () => {
  const hpa = find('HorizontalPodAutoscaler').spec
  const keda = find('ScaledObject').spec

  test('is the same with KEDA and without', () => {
    const [queue, cpu] = keda.triggers
    expect({ min: keda.minReplicaCount, max: keda.maxReplicaCount }).toEqual({
      min: hpa.minReplicas,
      max: hpa.maxReplicas,
    })
    expect(queue.metadata.targetQueryValue).toBe(hpa.metrics[0].external.target.averageValue)
    expect(Number(cpu.metadata.value)).toBe(hpa.metrics[1].resource.target.averageUtilization)
    expect(keda.advanced.horizontalPodAutoscalerConfig.behavior).toEqual(hpa.behavior)
    expect(hpa.scaleTargetRef.name).toBe(keda.scaleTargetRef.name)
    expect(find('Deployment').spec.replicas).toBe(hpa.minReplicas)
  })

  test('adds no node that could make no answer', () => {
    const { maxRunningPerProvider, maxRunningReplies } = loadConfig(podEnv)
    const perNode = Number(keda.triggers[0].metadata.targetQueryValue)
    expect(perNode).toBeLessThanOrEqual(maxRunningReplies)
    expect(perNode * keda.maxReplicaCount).toBeLessThanOrEqual(maxRunningPerProvider)
  })
})

describe('nginx', () => {
  const defaults = loadConfig({})
  const seconds = (name: string) => directive(name).map((value) => Number.parseInt(value))

  test('waits longer for a node than that is silent', () => {
    const [post = 0, events = 0] = seconds('proxy_read_timeout')
    const maxWaitMs = constant('src/replies/schemas.ts', /maxWaitMs = ([\d_]+)/)
    expect(post * 1_000).toBeGreaterThan(maxWaitMs)
    // It says something within two heartbeats.
    expect(Math.min(post, events) * 1_000).toBeGreaterThan(2 * defaults.heartbeatMs)
  })

  test('closes its connections to a node before that does', () => {
    const nodeMs = constant('src/http/server.ts', /keepAliveTimeout: ([\d_]+)/)
    expect((seconds('keepalive_timeout')[0] ?? 0) * 1_000).toBeLessThan(nodeMs)
  })

  test('takes bodies as long as a node does', () => {
    expect(directive('client_max_body_size')).toEqual(['1m'])
    expect(defaults.bodyLimitBytes).toBe(1_024 * 1_024)
  })
})
