;; Adler-32 (RFC 1950, section 8.2) of bytes in this memory, 32 at a step.
;;
;; a is the sum of all bytes, b the sum of all values that a has had; both modulo 65521. Over a block of n bytes that begins with
;; a and b:  a' = a + Σ x[i],  b' = b + n·a + Σ (n - i)·x[i].  The last sum is 32 times the sum of a's growth before each step,
;; plus the bytes of each step weighted 32 … 1. A block of 5536 bytes is the longest multiple of 32 after which b still fits 32 bits.
(module
  ;; 16 MiB: the blocks that are read, hashed and written lie here.
  (memory (export "memory") 256)

  (func $total (param $v v128) (result i32)
    (i32.add
      (i32.add (i32x4.extract_lane 0 (local.get $v)) (i32x4.extract_lane 1 (local.get $v)))
      (i32.add (i32x4.extract_lane 2 (local.get $v)) (i32x4.extract_lane 3 (local.get $v)))))

  (func (export "adler32") (param $sum i32) (param $at i32) (param $length i32) (result i32)
    (local $a i32) (local $b i32) (local $end i32) (local $block i32) (local $step i32)
    (local $low v128) (local $high v128) (local $sums v128) (local $before v128) (local $weighted v128) (local $weighted2 v128)
    (local.set $a (i32.and (local.get $sum) (i32.const 0xffff)))
    (local.set $b (i32.shr_u (local.get $sum) (i32.const 16)))
    (local.set $end (i32.add (local.get $at) (local.get $length)))

    (block $blocks-done
      (loop $blocks
        (local.set $block (i32.and (i32.sub (local.get $end) (local.get $at)) (i32.const -32)))
        (br_if $blocks-done (i32.eqz (local.get $block)))
        (if (i32.gt_u (local.get $block) (i32.const 5536)) (then (local.set $block (i32.const 5536))))
        (local.set $b (i32.add (local.get $b) (i32.mul (local.get $a) (local.get $block))))
        (local.set $sums (v128.const i32x4 0 0 0 0))
        (local.set $before (v128.const i32x4 0 0 0 0))
        (local.set $weighted (v128.const i32x4 0 0 0 0))
        (local.set $weighted2 (v128.const i32x4 0 0 0 0))
        (local.set $step (i32.add (local.get $at) (local.get $block)))
        (loop $steps
          (local.set $low (v128.load (local.get $at)))
          (local.set $high (v128.load offset=16 (local.get $at)))
          (local.set $before (i32x4.add (local.get $before) (local.get $sums)))
          (local.set $sums (i32x4.add (local.get $sums) (i32x4.add
            (i32x4.extadd_pairwise_i16x8_u (i16x8.extadd_pairwise_i8x16_u (local.get $low)))
            (i32x4.extadd_pairwise_i16x8_u (i16x8.extadd_pairwise_i8x16_u (local.get $high))))))
          (local.set $weighted (i32x4.add (local.get $weighted) (i32x4.add
            (i32x4.dot_i16x8_s (i16x8.extend_low_i8x16_u (local.get $low)) (v128.const i16x8 32 31 30 29 28 27 26 25))
            (i32x4.dot_i16x8_s (i16x8.extend_high_i8x16_u (local.get $low)) (v128.const i16x8 24 23 22 21 20 19 18 17)))))
          (local.set $weighted2 (i32x4.add (local.get $weighted2) (i32x4.add
            (i32x4.dot_i16x8_s (i16x8.extend_low_i8x16_u (local.get $high)) (v128.const i16x8 16 15 14 13 12 11 10 9))
            (i32x4.dot_i16x8_s (i16x8.extend_high_i8x16_u (local.get $high)) (v128.const i16x8 8 7 6 5 4 3 2 1)))))
          (local.set $at (i32.add (local.get $at) (i32.const 32)))
          (br_if $steps (i32.lt_u (local.get $at) (local.get $step))))
        (local.set $b (i32.rem_u
          (i32.add
            (i32.add (local.get $b) (i32.shl (call $total (local.get $before)) (i32.const 5)))
            (i32.add (call $total (local.get $weighted)) (call $total (local.get $weighted2))))
          (i32.const 65521)))
        (local.set $a (i32.rem_u (i32.add (local.get $a) (call $total (local.get $sums))) (i32.const 65521)))
        (br $blocks)))

    (block $rest-done
      (loop $rest
        (br_if $rest-done (i32.eq (local.get $at) (local.get $end)))
        (local.set $a (i32.rem_u (i32.add (local.get $a) (i32.load8_u (local.get $at))) (i32.const 65521)))
        (local.set $b (i32.rem_u (i32.add (local.get $b) (local.get $a)) (i32.const 65521)))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $rest)))

    (i32.or (i32.shl (local.get $b) (i32.const 16)) (local.get $a))))
