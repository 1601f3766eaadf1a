// Fields as components of React: `useVault` for the form, a `CardField` for each field of it.

import { useEffect, useRef, useState, type HTMLAttributes, type ReactElement } from "react";
import { create } from "./panvault";
import type { Field, FieldEvent, FieldName, FieldOptions, Options, Vault, VaultError } from "./types";

/** A vault for as long as the component is there; `null` until it is in the page, as on a server. */
export function useVault({ publishableKey, organisation, apiBase, locale }: Options): Vault | null {
  const [vault, setVault] = useState<Vault | null>(null);
  useEffect(() => {
    const created = create({
      ...(publishableKey === undefined ? {} : { publishableKey }),
      ...(organisation === undefined ? {} : { organisation }),
      ...(apiBase === undefined ? {} : { apiBase }),
      ...(locale === undefined ? {} : { locale }),
    });
    setVault(created);
    return () => created.destroy();
  }, [publishableKey, organisation, apiBase, locale]);
  return vault;
}

/** What a field of a form is, beside what a `div` may have. */
export interface CardFieldProps extends Omit<HTMLAttributes<HTMLDivElement>, "onChange" | "onError" | "onFocus" | "onBlur" | "onSubmit"> {
  vault: Vault | null;
  name: FieldName;
  options?: FieldOptions;
  onReady?: (field: Field) => void;
  onChange?: (event: FieldEvent) => void;
  onFocus?: () => void;
  onBlur?: () => void;
  onSubmit?: () => void;
  onError?: (error: VaultError) => void;
}

/** The element that a field's frame is in. */
export function CardField(props: CardFieldProps): ReactElement {
  const { vault, name, options, onReady, onChange, onFocus, onBlur, onSubmit, onError, ...rest } = props;
  const place = useRef<HTMLDivElement>(null);
  const mounted = useRef<Field | null>(null);
  // What a page hears with may be another function each time it is shown; the frame is not made anew for that.
  const heard = useRef(props);
  useEffect(() => {
    heard.current = props;
  });

  useEffect(() => {
    if (!vault || !place.current) return undefined;
    const field = vault.create(name, heard.current.options);
    field.on("ready", () => heard.current.onReady?.(field));
    field.on("change", (event) => heard.current.onChange?.(event));
    field.on("focus", () => heard.current.onFocus?.());
    field.on("blur", () => heard.current.onBlur?.());
    field.on("submit", () => heard.current.onSubmit?.());
    field.on("error", (error) => heard.current.onError?.(error));
    field.mount(place.current);
    mounted.current = field;
    return () => {
      mounted.current = null;
      field.destroy();
    };
  }, [vault, name]);

  const look = JSON.stringify(options ?? {});
  useEffect(() => mounted.current?.update(JSON.parse(look) as FieldOptions), [look]);

  return <div {...rest} ref={place} />;
}
