// What a storageUri means for the pod: which claim it mounts.

/** The claim named by a `pvc://CLAIM/PATH` URI; undefined for every other scheme. */
export function claimName(storageUri: string): string | undefined {
  return /^pvc:\/\/([^/]+)\//.exec(storageUri)?.[1];
}
