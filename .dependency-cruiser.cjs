/**
 * Who may import whom (docs/design.md, "Layout"). A rule names a folder and what it must not see.
 * @type {import('dependency-cruiser').IConfiguration}
 */
const only = (name, from, may, comment) => ({
  name,
  comment,
  severity: 'error',
  from: { path: from, pathNot: '(\\.test|/contract)\\.ts$' },
  to: { path: '^src/', pathNot: may },
})
const ports = '^src/(source/source|pack/format|vault/vault|catalog/catalog)\\.ts$'

module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    only('model', '^src/model/', '^src/model/', 'nouns know only nouns'),
    only('plan', '^src/plan/', '^src/(model|plan)/', 'decisions are pure'),
    only('pipeline', '^src/pipeline/', `^src/(model|plan|pipeline)/|${ports}`, 'steps see the ports, never an adapter'),
    {
      name: 'ports-by-type-only',
      severity: 'error',
      from: { path: '^src/(pipeline|mover/execute)', pathNot: '\\.test\\.ts$' },
      to: { path: ports, dependencyTypesNot: ['type-only'] },
    },
    only('lanes', '^src/lanes\\.ts$', '^src/lanes\\.ts$', 'no domain words'),
    only('agent', '^src/agent\\.ts$', `^src/(model|plan|pipeline)/|^src/(agent|lanes)\\.ts$|${ports}`),
    only('app', '^src/app\\.ts$', '^src/(?!cli/|main|service|server/)', 'everything below it'),
    only('service', '^src/service\\.ts$', '^src/(?!cli/|main)'),
    only('backup', '^src/backup\\.ts$', '^src/(model/|catalog/catalog\\.ts$|backup\\.ts$)'),
    only('rebuild', '^src/rebuild\\.ts$', '^src/(?!cli/|main|service|server/)'),
    only('cli', '^src/cli/', '^src/(?!main)'),
    only(
      'sign-in',
      '^src/sign-in\\.ts$',
      '^src/(model|io|config|rucio)/',
      'what a config says of Rucio, in Rucio’s terms',
    ),
    only('timetable', '^src/timetable\\.ts$', '^src/(timetable|agent)\\.ts$'),
    only(
      'source',
      '^src/source/',
      '^src/(model|io|source)/'.replace('source)', 'source|rucio)'),
      'source/rucio alone sees rucio',
    ),
    {
      name: 'rucio-behind-its-source',
      severity: 'error',
      from: { path: '^src/source/(?!rucio)', pathNot: '\\.test\\.ts$' },
      to: { path: '^src/rucio/' },
    },
    only('pack', '^src/pack/', '^src/(model|io|pack)/'),
    only('vault', '^src/vault/', '^src/(model|io|vault)/'),
    only('catalog', '^src/catalog/', '^src/(model|io|catalog)/'),
    only('rucio', '^src/rucio/', '^src/(model|io|rucio)/'),
    only('mover', '^src/mover/(?!worker)', `^src/(model|io|mover)/|${ports}`, 'mover/execute sees the ports by type'),
    only('config', '^src/config/', '^src/(model|config)/'),
    only('io', '^src/io/', '^src/io/', 'no domain words'),
    {
      name: 'testing-is-for-tests-and-the-demo',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(testing/|cli/demo\\.ts$)|(\\.test|/contract)\\.ts$' },
      to: { path: '^src/testing/' },
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: { extensions: ['.ts', '.js'] },
  },
}
