// The version of this package: build.mjs puts it in.
declare const VERSION: string;

export const version: string = VERSION;
