; SPDX-License-Identifier: MIT
; A program that forgets to close its files: hundreds of ports for writing and
; reading are dropped, and finalizers write out their buffers and close their
; descriptors.

(define rounds (if (null? (arguments)) 2 (string->number (car (arguments)))))
(define count 200)

(define (statistic name) (cdr (assq name (gc-stats))))

(define (write-and-forget name text)
  (let ((out (open-output-file name)))
    (write-string text out)
    (void)))

(define (first-line name)
  (read-line (open-input-file name)))

; The calls above leave no trace on the stack once others have run there.
(define (deep n) (if (= n 0) 0 (+ 1 (deep (- n 1)))))

(define (round! names r)
  (for-each (lambda (name) (write-and-forget name (string-append "round " (number->string r) "\nend\n")))
            names)
  (deep 200)
  (gc))

(define (readable names r)
  (let ((expected (string-append "round " (number->string r))))
    (length (filter (lambda (name) (equal? (first-line name) expected)) names))))

(define names (map (lambda (i) (temporary-file)) (iota count)))

; What one collection leaves (a stale word on the stack may look like a
; pointer) the next ones find.
(define complete
  (let loop ((r 0) (least count))
    (if (= r rounds)
        least
        (begin
          (round! names r)
          (loop (+ r 1) (min least (readable names r)))))))
(deep 200)
(gc)

(for-each delete-file names)
(define opened (* 2 count rounds))
(define closed (statistic 'closed))
(unless (>= closed (quotient (* opened 9) 10))
  (error "ports: of so many opened, so few were closed:" opened closed))
(unless (>= complete (quotient (* count 9) 10))
  (error "ports: of so many files, so few were written out:" count complete))
(write (list 'ports count 'nearly-all-closed))
(newline)
