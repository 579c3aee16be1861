; SPDX-License-Identifier: MIT
; All solutions of the queens problem on a board of nine, as lists; the number
; of those that are different when the board is turned and mirrored.

(define rounds (if (null? (arguments)) 24 (string->number (car (arguments)))))
(define size 9)

(define (safe? column placed)
  (let loop ((placed placed) (distance 1))
    (or (null? placed)
        (and (not (= (car placed) column))
             (not (= (abs (- (car placed) column)) distance))
             (loop (cdr placed) (+ distance 1))))))

; Every solution is the list of the columns, last row first.
(define (solutions row)
  (if (= row 0)
      '(())
      (append-map
       (lambda (placed)
         (let loop ((column size) (found '()))
           (cond ((= column 0) found)
                 ((safe? column placed) (loop (- column 1) (cons (cons column placed) found)))
                 (else (loop (- column 1) found)))))
       (solutions (- row 1)))))

(define (mirrored board)
  (map (lambda (column) (- (+ size 1) column)) board))

(define (turned board)
  (let ((result (make-vector size 0)))
    (do ((row 1 (+ row 1)) (rest board (cdr rest))) ((null? rest))
      (vector-set! result (- (car rest) 1) (- (+ size 1) row)))
    (vector->list result)))

(define (less? a b)
  (cond ((null? a) #f)
        ((= (car a) (car b)) (less? (cdr a) (cdr b)))
        (else (< (car a) (car b)))))

(define (representative board)
  (let loop ((turns 0) (board board) (best board))
    (if (= turns 4)
        best
        (let* ((mirror (mirrored board))
               (best (if (less? board best) board best))
               (best (if (less? mirror best) mirror best)))
          (loop (+ turns 1) (turned board) best)))))

(define (run)
  (let ((all (solutions size)) (seen (make-hash-table)))
    (for-each (lambda (board) (hash-set! seen (representative board) #t)) all)
    (list (length all) (hash-count seen))))

(define result '())
(do ((i 0 (+ i 1))) ((= i rounds)) (set! result (run)))
(unless (equal? result '(352 46))
  (error "queens: wrong results:" result))
(write (cons 'queens result))
(newline)
