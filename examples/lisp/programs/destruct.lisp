; SPDX-License-Identifier: MIT
; Lists changed in place for as long as the program runs: pointers from old
; objects to new ones and back, which a collector must never lose.

(define rounds (if (null? (arguments)) 1600 (string->number (car (arguments)))))
(define rings 200)
(define length-of-ring 60)

(define (make-ring n)
  (let ((list (iota n)))
    (set-cdr! (last-pair list) list)
    list))

(define all (list->vector (map (lambda (i) (make-ring length-of-ring)) (iota rings))))

; Every ring loses an element and gains a fresh one; neighbours swap tails, so
; that rings grow together and apart.
(define (turn! ring stamp)
  (let ((dropped (cadr ring)))
    (set-cdr! ring (cddr ring))
    (set-cdr! ring (cons (remainder (+ dropped stamp) 1000) (cdr ring)))
    (cddr ring)))

(define (swap! i j)
  (let ((a (vector-ref all i)) (b (vector-ref all j)))
    (let ((rest (cdr a)))
      (set-cdr! a (cdr b))
      (set-cdr! b rest))))

(define (total)
  (let loop ((i 0) (sum 0))
    (if (= i rings)
        sum
        (loop (+ i 1)
              (let walk ((p (vector-ref all i)) (n 0) (sum sum))
                (if (= n 5) sum (walk (cdr p) (+ n 1) (+ sum (car p)))))))))

(define (round! r)
  (do ((i 0 (+ i 1))) ((= i rings))
    (do ((n 0 (+ n 1))) ((= n 6))
      (vector-set! all i (turn! (vector-ref all i) (+ r n)))))
  (do ((i 0 (+ i 2))) ((>= i (- rings 1)))
    (swap! i (+ i 1))))

; Even rounds undo what odd rounds joined: the number of distinct cells stays.
(define (cells)
  (let ((seen (make-eq-hash-table)))
    (vector-for-each
     (lambda (ring)
       (let loop ((p ring))
         (unless (hash-has? seen p)
           (hash-set! seen p #t)
           (loop (cdr p)))))
     all)
    (hash-count seen)))

(do ((r 0 (+ r 1))) ((= r rounds)) (round! r))

(define count (cells))
(unless (= count (* rings length-of-ring))
  (error "destruct: cells were lost or made:" count))
(unless (> (total) 0)
  (error "destruct: an impossible sum:" (total)))
(write (list 'destruct count))
(newline)
