import tseslint from 'typescript-eslint'

/** What only named files may touch: the clock, randomness, the environment and the terminal are arguments elsewhere. */
const ambient = [
  { object: 'Date', property: 'now', message: 'Take the clock as an argument (now: () => Date).' },
  { object: 'Math', property: 'random', message: 'Take randomness as an argument.' },
  { object: 'process', property: 'env', message: 'Only main.ts and the test set-up read the environment.' },
  { object: 'process', property: 'exit', message: 'Set the exit code in main.ts; never rely on process.exit().' },
]

export default tseslint.config(
  { ignores: ['dist/', 'node_modules/', '.cache/', 'test/fixtures/'] },
  ...tseslint.configs.strictTypeChecked.map((config) => ({ ...config, files: ['**/*.ts'] })),
  {
    files: ['**/*.ts'],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      'no-restricted-properties': ['error', ...ambient],
      'no-restricted-syntax': [
        'error',
        {
          selector: "NewExpression[callee.name='Date'][arguments.length=0]",
          message: 'Take the clock as an argument.',
        },
      ],
      'no-console': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/unbound-method': 'off',
    },
  },
  {
    files: [
      'src/main.ts',
      'src/mover/worker.ts',
      '**/*.test.ts',
      'src/testing/**',
      'test/**',
      'bench/**',
      'scripts/**',
    ],
    rules: { 'no-restricted-properties': 'off', 'no-restricted-syntax': 'off', 'no-console': 'off' },
  },
)
