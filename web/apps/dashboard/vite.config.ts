import { defineConfig } from 'vite';
import { base } from '../../vite.base.ts';

export default defineConfig(base(5181, process.env.TOLLGATE_CONSOLE ?? 'http://127.0.0.1:8081'));
