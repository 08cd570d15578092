// Kinds of fields that several parts of the spec have: quantities, int-or-percent, names of other objects.

import { z } from "zod";

/** A Kubernetes quantity, as a number or as text. The rule is CEL; the API server enforces it. */
export function quantity(rule: string, message: string) {
  return z.union([z.int(), z.string()]).meta({
    "x-kubernetes-int-or-string": true,
    maxLength: 32,
    "x-kubernetes-validations": [{ rule, message }],
  });
}

/** A quantity above 0. */
export function positiveQuantity(message: string) {
  return quantity(
    "type(self) == int ? self > 0 : (isQuantity(self) && quantity(self).isGreaterThan(quantity('0')))",
    message,
  );
}

/** A number of pods, or a percentage of the present replicas. */
export function podsOrPercent() {
  return quantity(
    "type(self) == int ? self >= 0 : self.matches('^[0-9]{1,3}%$')",
    'must be a number of pods such as 1, or a percentage such as "25%"',
  );
}

/** The name of an object in the service's namespace, or of a cluster-wide one. */
export function objectName() {
  return z
    .string()
    .min(1)
    .max(253)
    .regex(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/);
}

/** A CEL rule of the CRD with what a person should write instead. */
export interface Validation {
  readonly rule: string;
  readonly message: string;
  readonly fieldPath?: string;
}

/** Rules in the form in which `meta` takes them. */
export function validations(...rules: Validation[]) {
  return { "x-kubernetes-validations": rules };
}
