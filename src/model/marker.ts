/** The one file that a vault keeps in its root beside the directories of scopes. */
export const markerName = '.tape-rse.json'
