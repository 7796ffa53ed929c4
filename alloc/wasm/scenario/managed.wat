;; A garbage-collected program: byte lists that live in linear memories. A list is an object of the
;; engine's collector; its bytes are a buffer's, in the program's own memory or in an imported one.
;; When the collector finds a list dead, the host enqueues its token.
(module
  (import "buffers" "memory" (memory $own 1))
  (import "module" "memory" (memory $other 1))
  (import "buffers" "create" (func $create (param i32 i32) (result i64)))
  (import "buffers" "adopt" (func $adopt (param i32 i32 i32) (result i64)))
  (import "buffers" "share" (func $share (param i64 i32) (result i64)))
  (import "buffers" "retain" (func $retain (param i64) (result i32)))
  (import "buffers" "release" (func $release (param i64) (result i32)))
  (import "buffers" "start_of" (func $start_of (param i64) (result i32)))
  (import "buffers" "attach" (func $attach (param i64) (result f64)))
  (import "buffers" "close_token" (func $close (param f64) (result i32)))
  (import "linmem" "copy" (func $copy_between (param i32 i32 i32 i32 i32)))
  (import "host" "register" (func $register (param externref f64)))

  (type $List (sub (struct
    (field $handle i64) (field $token f64)
    (field $memory i32) (field $start i32) (field $length i32))))

  ;; A list takes over one reference; its token stands for it.
  (func $wrap (param $handle i64) (param $memory i32) (param $start i32) (param $length i32)
      (result (ref null $List))
    (local $list (ref $List)) (local $token f64)
    (local.set $token (call $attach (local.get $handle)))
    (if (f64.eq (local.get $token) (f64.const 0)) (then
      (drop (call $release (local.get $handle)))
      (return (ref.null $List))))
    (local.set $list (struct.new $List (local.get $handle) (local.get $token)
      (local.get $memory) (local.get $start) (local.get $length)))
    (call $register (extern.convert_any (local.get $list)) (local.get $token))
    (local.get $list))

  (func (export "list") (param $memory i32) (param $length i32) (result (ref null $List))
    (local $handle i64)
    (local.set $handle (call $create (local.get $memory) (local.get $length)))
    (if (i64.eqz (local.get $handle)) (then (return (ref.null $List))))
    (call $wrap (local.get $handle) (local.get $memory)
      (call $start_of (local.get $handle)) (local.get $length)))
  (func (export "adopt_list") (param $memory i32) (param $block i32) (param $length i32)
      (result (ref null $List))
    (local $handle i64)
    (local.set $handle (call $adopt (local.get $memory) (local.get $block) (local.get $length)))
    (if (i64.eqz (local.get $handle)) (then (return (ref.null $List))))
    (call $wrap (local.get $handle) (local.get $memory) (local.get $block) (local.get $length)))

  ;; A list of the same bytes, with a reference of its own.
  (func (export "sublist") (param $list (ref $List)) (param $from i32) (param $length i32)
      (result (ref null $List))
    (if (i64.gt_u
          (i64.add (i64.extend_i32_u (local.get $from)) (i64.extend_i32_u (local.get $length)))
          (i64.extend_i32_u (struct.get $List $length (local.get $list))))
      (then (unreachable)))
    (if (call $retain (struct.get $List $handle (local.get $list))) (then (unreachable)))
    (call $wrap (struct.get $List $handle (local.get $list))
      (struct.get $List $memory (local.get $list))
      (i32.add (struct.get $List $start (local.get $list)) (local.get $from))
      (local.get $length)))

  ;; Ends a list by hand; the collector comes too late.
  (func (export "close_list") (param $list (ref $List)) (result i32)
    (call $close (struct.get $List $token (local.get $list))))

  (func $address (param $list (ref $List)) (param $index i32) (result i32)
    (if (i32.ge_u (local.get $index) (struct.get $List $length (local.get $list)))
      (then (unreachable)))
    (i32.add (struct.get $List $start (local.get $list)) (local.get $index)))
  (func (export "get") (param $list (ref $List)) (param $index i32) (result i32)
    (local $at i32)
    (local.set $at (call $address (local.get $list) (local.get $index)))
    (if (result i32) (struct.get $List $memory (local.get $list))
      (then (i32.load8_u $other (local.get $at))) (else (i32.load8_u $own (local.get $at)))))
  (func (export "set") (param $list (ref $List)) (param $index i32) (param $byte i32)
    (local $at i32)
    (local.set $at (call $address (local.get $list) (local.get $index)))
    (if (struct.get $List $memory (local.get $list))
      (then (i32.store8 $other (local.get $at) (local.get $byte)))
      (else (i32.store8 $own (local.get $at) (local.get $byte)))))

  ;; The first `length` elements of one list to another, in whichever memories they are.
  (func (export "set_range") (param $to (ref $List)) (param $from (ref $List)) (param $length i32)
    (if (i32.or
          (i32.gt_u (local.get $length) (struct.get $List $length (local.get $to)))
          (i32.gt_u (local.get $length) (struct.get $List $length (local.get $from))))
      (then (unreachable)))
    (if (i32.or (struct.get $List $memory (local.get $to))
                (struct.get $List $memory (local.get $from)))
      (then (call $copy_between
        (struct.get $List $memory (local.get $to)) (struct.get $List $start (local.get $to))
        (struct.get $List $memory (local.get $from)) (struct.get $List $start (local.get $from))
        (local.get $length)))
      (else (memory.copy $own $own
        (struct.get $List $start (local.get $to)) (struct.get $List $start (local.get $from))
        (local.get $length)))))

  (func (export "handle") (param $list (ref $List)) (result i64)
    (struct.get $List $handle (local.get $list)))
  (func (export "memory_of") (param $list (ref $List)) (result i32)
    (struct.get $List $memory (local.get $list)))
  (func (export "start") (param $list (ref $List)) (result i32)
    (struct.get $List $start (local.get $list)))
  (func (export "length") (param $list (ref $List)) (result i32)
    (struct.get $List $length (local.get $list)))
  (func (export "share_list") (param $list (ref $List)) (param $with i32) (result i64)
    (call $share (struct.get $List $handle (local.get $list)) (local.get $with))))
