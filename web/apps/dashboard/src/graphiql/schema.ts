import { buildSchema } from 'graphql';
import sdl from '../../../../../services/admin/schema.graphql?raw';

/** The schema of the server this app was built with: the same file the server's tests compare with the server. */
export const schema = buildSchema(sdl);
