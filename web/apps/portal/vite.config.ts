import { defineConfig } from 'vite';
import { base } from '../../vite.base.ts';

export default defineConfig(base(5182, process.env.TOLLGATE_PORTAL ?? 'http://127.0.0.1:8082'));
