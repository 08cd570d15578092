// Which of onnxruntime's execution providers runs a model: what was asked for, or what the pod has.

import type { ExecutionProvider } from "./served-model.ts";

/** `auto`: `cuda` where the pod has a GPU, else `cpu`. */
export const PROVIDER_CHOICES = ["auto", "cpu", "cuda"] as const;
export type ProviderChoice = (typeof PROVIDER_CHOICES)[number];

/** @param fileExists whether a path exists */
export function chooseProvider(choice: ProviderChoice, fileExists: (file: string) => boolean): ExecutionProvider {
  if (choice !== "auto") {
    return choice;
  }
  // The device that the container runtime mounts beside the first GPU; without it CUDA cannot work at all.
  return fileExists("/dev/nvidiactl") ? "cuda" : "cpu";
}
