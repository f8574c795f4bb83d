export * from './backend';
export type * from './generated';
