; SPDX-License-Identifier: MIT
; Reads a text: how often each word occurs, a concordance of some of them, the
; longest lines, and the most common letters.  The text lies beside this
; program; its path may be given.

(define rounds (if (null? (arguments)) 60 (string->number (car (arguments)))))
(define path
  (cond ((and (pair? (arguments)) (pair? (cdr (arguments)))) (cadr (arguments)))
        (else (string-append (program-directory) "/text.txt"))))

(define (read-lines path)
  (let ((in (open-input-file path)))
    (let loop ((lines '()))
      (let ((line (read-line in)))
        (if (eof-object? line)
            (begin
              (close-port in)
              (reverse! lines))
            (loop (cons line lines)))))))

; Words are letters and hyphens, in small letters.
(define (words line)
  (let loop ((chars (string->list (string-downcase line))) (word '()) (words '()))
    (define (finished)
      (if (null? word) words (cons (list->string (reverse word)) words)))
    (cond ((null? chars) (reverse (finished)))
          ((or (char-alphabetic? (car chars)) (and (char=? (car chars) #\-) (pair? word)))
           (loop (cdr chars) (cons (car chars) word) words))
          (else (loop (cdr chars) '() (finished))))))

; word -> list of the numbers of its lines, last first
(define (index lines)
  (let ((table (make-hash-table)))
    (let loop ((lines lines) (number 1))
      (unless (null? lines)
        (for-each
         (lambda (word) (hash-update! table word (lambda (l) (cons number l)) '()))
         (words (car lines)))
        (loop (cdr lines) (+ number 1))))
    table))

(define (first-of list n)
  (if (or (= n 0) (null? list)) '() (cons (car list) (first-of (cdr list) (- n 1)))))

(define (most-common table n)
  (first-of
   (sort (map (lambda (entry) (cons (car entry) (length (cdr entry)))) (hash->list table))
         (lambda (a b)
           (or (> (cdr a) (cdr b))
               (and (= (cdr a) (cdr b)) (string<? (car a) (car b))))))
   n))

(define (longest-words table n)
  (first-of
   (sort (hash-keys table)
         (lambda (a b)
           (or (> (string-length a) (string-length b))
               (and (= (string-length a) (string-length b)) (string<? a b)))))
   n))

(define (longest-line lines)
  (fold (lambda (line best) (if (> (string-length line) (string-length best)) line best)) "" lines))

(define (letters lines)
  (let ((counts (make-vector 256 0)))
    (for-each
     (lambda (line)
       (for-each
        (lambda (c)
          (let ((i (char->integer (char-downcase c))))
            (vector-set! counts i (+ 1 (vector-ref counts i)))))
        (string->list line)))
     lines)
    (map (lambda (i) (integer->char i))
         (first-of (sort (map (lambda (i) (+ i 97)) (iota 26))
                         (lambda (a b) (> (vector-ref counts a) (vector-ref counts b))))
                   6))))

; Where a word stands, with what surrounds it, in columns.
(define (concordance word lines table)
  (map
   (lambda (number)
     (let* ((line (list-ref lines (- number 1)))
            (at (string-search (string-downcase line) word))
            (from (max 0 (- at 20)))
            (end (min (string-length line) (+ at (string-length word) 20))))
       (string-append (string-pad-left (number->string number) 4) " "
                      (string-pad-left (substring line from at) 20)
                      (substring line at end))))
   (reverse (hash-ref table word '()))))

(define lines '())
(define table #f)
(define summary '())
(do ((i 0 (+ i 1))) ((= i rounds))
  (set! lines (read-lines path))
  (set! table (index lines))
  (set! summary
        (list (length lines) (hash-count table) (most-common table 5) (longest-words table 3)
              (letters lines)
              (fold (lambda (word n) (+ n (length (concordance word lines table))))
                    0 '("nothing" "chalk" "clock" "tower" "water")))))

; Every word counted must be there to be found again.
(define all (fold (lambda (line n) (+ n (length (words line)))) 0 lines))
(define indexed (fold (lambda (numbers n) (+ n (length numbers))) 0 (hash-values table)))
(unless (= all indexed)
  (error "words: some were lost:" all indexed))

(for-each (lambda (line) (display line) (newline)) (first-of (concordance "chalk" lines table) 4))
(display (longest-line lines))
(newline)
(write (cons 'words summary))
(newline)
