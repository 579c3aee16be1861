; SPDX-License-Identifier: MIT
; Binary trees of all sizes, short-lived ones built top-down and bottom-up
; while a large one and a large vector stay alive: the classic load for a
; collector.

(define rounds (if (null? (arguments)) 8 (string->number (car (arguments)))))
(define long-lived-depth 17)
(define deepest 14)

(define (bottom-up depth)
  (if (= depth 0)
      (cons '() '())
      (cons (bottom-up (- depth 1)) (bottom-up (- depth 1)))))

(define (populate! node depth)
  (when (> depth 0)
    (set-car! node (cons '() '()))
    (set-cdr! node (cons '() '()))
    (populate! (car node) (- depth 1))
    (populate! (cdr node) (- depth 1))))

(define (top-down depth)
  (let ((root (cons '() '())))
    (populate! root depth)
    root))

(define (count node)
  (if (null? node) 0 (+ 1 (count (car node)) (count (cdr node)))))

(define (nodes depth) (- (arithmetic-shift 1 (+ depth 1)) 1))

(define long-lived (top-down long-lived-depth))
(define numbers (make-vector 100000 0.0))
(do ((i 0 (+ i 1))) ((= i 100000))
  (vector-set! numbers i (/ 1.0 (+ i 1))))

(define built 0)
(do ((i 0 (+ i 1))) ((= i rounds))
  (set! built 0)
  (do ((depth 4 (+ depth 2))) ((> depth deepest))
    (do ((n (quotient (nodes deepest) (nodes depth)) (- n 1))) ((= n 0))
      (let ((a (bottom-up depth)) (b (top-down depth)))
        (set! built (+ built (count a) (count b)))))))

(unless (= (count long-lived) (nodes long-lived-depth))
  (error "trees: the long-lived tree changed:" (count long-lived)))
(unless (= (vector-ref numbers 999) 0.001)
  (error "trees: the long-lived vector changed:" (vector-ref numbers 999)))
(write (list 'trees built (count long-lived)))
(newline)
