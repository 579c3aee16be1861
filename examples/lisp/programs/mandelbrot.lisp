; SPDX-License-Identifier: MIT
; The Mandelbrot set: every number it computes is a new object without
; pointers.

(define rounds (if (null? (arguments)) 30 (string->number (car (arguments)))))
(define columns 64)
(define rows 32)
(define most 150)

(define (steps cr ci)
  (let loop ((n 0) (r 0.0) (i 0.0))
    (let ((rr (* r r)) (ii (* i i)))
      (if (or (= n most) (> (+ rr ii) 4.0))
          n
          (loop (+ n 1) (+ (- rr ii) cr) (+ (* 2.0 (* r i)) ci))))))

(define (shade n)
  (cond ((= n most) #\#)
        ((> n 12) #\+)
        ((> n 6) #\.)
        (else #\space)))

(define (line row)
  (let ((ci (- (* 2.4 (/ (+ row 0.5) rows)) 1.2)))
    (list->string
     (map (lambda (column) (shade (steps (- (* 3.2 (/ (inexact column) columns)) 2.2) ci)))
          (iota columns)))))

(define picture '())
(do ((i 0 (+ i 1))) ((= i rounds))
  (set! picture (map line (iota rows))))

; The set is its own mirror image.
(unless (equal? picture (reverse picture))
  (error "mandelbrot: the picture is not symmetrical"))
(define inside
  (fold (lambda (l n) (+ n (length (filter (lambda (c) (char=? c #\#)) (string->list l))))) 0 picture))
(for-each (lambda (l) (display (string-trim (string-append "|" l))) (newline))
          (filter (lambda (l) (not (string=? (string-trim l) ""))) (map (lambda (i) (list-ref picture i)) '(4 8 12 15))))
(write (list 'mandelbrot inside))
(newline)
