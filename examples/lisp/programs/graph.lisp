; SPDX-License-Identifier: MIT
; A graph of many places with four or more roads each: shortest
; ways by number of roads and by length.  A heap of some size, read at random.

(define rounds (if (null? (arguments)) 3 (string->number (car (arguments)))))
(define places 60000)

(define-record-type place (make-place number roads distance) place?
  (number place-number)
  (roads place-roads set-place-roads!)
  (distance place-distance set-place-distance!))

(define-record-type road (make-road to length) road?
  (to road-to)
  (length road-length))

(define state 1)
(define (next-random n)
  (set! state (modulo (+ (* state 1103515245) 12345) 2147483648))
  (modulo (quotient state 64) n))

(define all
  (let ((v (make-vector places #f)))
    (do ((i 0 (+ i 1))) ((= i places) v)
      (vector-set! v i (make-place i '() #f)))))

(define (connect! a b length)
  (set-place-roads! a (cons (make-road b length) (place-roads a)))
  (set-place-roads! b (cons (make-road a length) (place-roads b))))

; A ring, so that every place can be reached, and a road from each to somewhere.
(do ((i 0 (+ i 1))) ((= i places))
  (let ((here (vector-ref all i)))
    (connect! here (vector-ref all (modulo (+ i 1) places)) 90)
    (connect! here (vector-ref all (next-random places)) (+ 10 (next-random 90)))))

(define (forget!)
  (vector-for-each (lambda (p) (set-place-distance! p #f)) all))

; Breadth first; the list of places at each distance in turn.
(define (farthest-by-roads start)
  (forget!)
  (set-place-distance! start 0)
  (let loop ((now (list start)) (distance 0))
    (let ((next
           (fold (lambda (p next)
                   (fold (lambda (r next)
                           (let ((to (road-to r)))
                             (if (place-distance to)
                                 next
                                 (begin
                                   (set-place-distance! to (+ distance 1))
                                   (cons to next)))))
                         next (place-roads p)))
                 '() now)))
      (if (null? next) distance (loop next (+ distance 1))))))

; By length: places wait in the slot of a vector that is their distance.
(define (farthest-by-length start)
  (define waiting (make-vector 4000 '()))
  (define (visit! p distance)
    (when (or (not (place-distance p)) (< distance (place-distance p)))
      (set-place-distance! p distance)
      (vector-set! waiting distance (cons p (vector-ref waiting distance)))))
  (forget!)
  (visit! start 0)
  (let loop ((distance 0) (farthest 0))
    (if (= distance 3900)
        farthest
        (let ((now (vector-ref waiting distance)))
          (vector-set! waiting distance '())
          (loop (+ distance 1)
                (fold (lambda (p farthest)
                        (if (= (place-distance p) distance)
                            (begin
                              (for-each (lambda (r) (visit! (road-to r) (+ distance (road-length r))))
                                        (place-roads p))
                              distance)
                            farthest))
                      farthest now))))))

(define roads 0)
(define length-of-way 0)
(do ((i 0 (+ i 1))) ((= i rounds))
  (set! roads (farthest-by-roads (vector-ref all 0)))
  (set! length-of-way (farthest-by-length (vector-ref all 0))))

; No road may lead past a shorter way.
(vector-for-each
 (lambda (p)
   (for-each
    (lambda (r)
      (when (> (abs (- (place-distance p) (place-distance (road-to r)))) (road-length r))
        (error "graph: the way to a place is too long:" (place-number p))))
    (place-roads p)))
 all)
(write (list 'graph places roads length-of-way))
(newline)
