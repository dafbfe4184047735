import { ApiProperty } from '@nestjs/swagger';

/** A whole number that counts something. */
export const Count = (description: string, example = 12) =>
  ApiProperty({ type: 'integer', minimum: 0, example, description });

/** A duration, or null when there was nothing to measure. */
export const Duration = (description: string, example: number) =>
  ApiProperty({ type: 'integer', minimum: 0, nullable: true, example, description });
