/**
 * Why a search for `arcBackup=<rse>:need` would find something else, or nothing at all; null if it is safe.
 * Rucio's filter engine (core/did_meta_plugins/filter_engine.py, docs/rucio.md) takes `*` and `%` for any text, rewrites
 * true, TRUE, false and FALSE wherever they stand, and reads what looks like a Python literal as one (`#` begins a comment).
 * @returns a clause: "it holds …"
 */
export function misreadBySearch(rse: string): string | null {
  if (rse === '') return 'it is empty'
  if (/[*%]/.test(rse)) return 'it holds * or %, which Rucio takes for any text'
  const rewritten = /true|TRUE|false|FALSE/.exec(rse)
  if (rewritten !== null) return `it holds "${rewritten[0]}", which Rucio rewrites before it compares`
  const odd = /[^A-Za-z0-9_.-]/u.exec(rse)
  if (odd !== null) return `it holds ${JSON.stringify(odd[0])}, which no RSE name of Rucio has`
  return null
}
