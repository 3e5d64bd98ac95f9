import { vaultContract } from '../vault/contract.ts'
import { memoryReading, memoryStore, memoryVault } from './memory-vault.ts'

vaultContract('the memory vault', () => {
  const store = memoryStore()
  return {
    openToRead: () => memoryReading(store),
    open: (owner) => memoryVault(store, owner),
    list: () => [...store.files.keys()].sort(),
    read: (location) => store.files.get(location)!,
    plant: (location, content) => void store.files.set(location, Buffer.from(content)),
    remove: (location) => void store.files.delete(location),
    removeMarker: () => (store.owner = null),
    dispose: () => undefined,
  }
})
