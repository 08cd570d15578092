// What a storageUri means for the pod: the volume that holds the model, and where the server looks for it.

import type { Volume, VolumeMount } from "kubernetes-types/core/v1.js";

export interface ModelVolume {
  readonly volume: Volume;
  readonly mount: VolumeMount;
}

/** For `pvc://CLAIM/PATH` and `oci://IMAGE`; undefined for a model that the server fetches. */
export function modelVolume(storageUri: string): ModelVolume | undefined {
  const claim = /^pvc:\/\/([^/]+)\//.exec(storageUri)?.[1];
  if (claim !== undefined) {
    return {
      volume: { name: "model", persistentVolumeClaim: { claimName: claim, readOnly: true } },
      mount: { name: "model", mountPath: `/mnt/pvc/${claim}`, readOnly: true },
    };
  }
  const image = /^oci:\/\/(.+)$/.exec(storageUri)?.[1];
  if (image === undefined) return undefined;
  return {
    // Younger than the types of the Kubernetes API that are at hand.
    volume: { name: "model", image: { reference: image } } as Volume,
    mount: { name: "model", mountPath: "/mnt/oci", readOnly: true },
  };
}
