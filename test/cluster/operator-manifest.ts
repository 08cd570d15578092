// The operator's manifest, with its flags set as a person sets them for a cluster.

/** What is to be set does not occur in the manifest. */
export class ManifestError extends Error {
  override readonly name = "ManifestError";
  readonly code = "NOT_IN_MANIFEST";
}

/**
 * Sets `--FLAG=VALUE` in the arguments of a container.
 * @param flags e.g. {"scrape-interval": "2"}
 * @throws ManifestError when the manifest does not have the flag already: then it has been renamed, and setting it would do nothing
 */
export function setFlags(manifest: string, flags: Readonly<Record<string, string>>): string {
  return Object.entries(flags).reduce((text, [flag, value]) => {
    const argument = new RegExp(`^(\\s*- --${flag}=).*$`, "m");
    if (!argument.test(text)) {
      throw new ManifestError(`install/operator.yaml has no argument --${flag}=...`);
    }
    return text.replace(argument, (_line, start: string) => start + value);
  }, manifest);
}

/** Sets the replicas of the Deployment. Throws ManifestError when the manifest has not exactly one such field. */
export function setReplicas(manifest: string, replicas: number): string {
  const field = /^( {2}replicas: )\d+$/gm;
  if (manifest.match(field)?.length !== 1) throw new ManifestError("install/operator.yaml has not one field replicas");
  return manifest.replace(field, (_line, start: string) => `${start}${replicas}`);
}
