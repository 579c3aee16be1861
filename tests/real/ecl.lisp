;; SPDX-License-Identifier: MIT
;; A program that keeps ECL's heap busy: closures, strings, structures, hash
;; tables and bignums, some 50 MB of them alive at the end.  Prints results
;; that depend on every object it made.  With SMAPS set, copies the kernel's
;; view of its memory to that file while all of it is alive.
(defvar *seed* 42)
(defun random-below (n)
  (setf *seed* (mod (+ (* *seed* 1103515245) 12345) 2147483648))
  (mod (floor *seed* 8) n))
(defun mix (h n) (mod (+ (* h 31) n) 1000000007))

(defstruct node key left right)

(defun insert (tree key)
  (cond ((null tree) (make-node :key key))
        ((< key (node-key tree)) (setf (node-left tree) (insert (node-left tree) key)) tree)
        ((> key (node-key tree)) (setf (node-right tree) (insert (node-right tree) key)) tree)
        (t tree)))
(defun walk (tree h)
  (if (null tree)
      h
      (walk (node-right tree) (mix (walk (node-left tree) h) (node-key tree)))))

(defvar *tree* nil)
(dotimes (i 8000) (setf *tree* (insert *tree* (random-below 1000000))))

(defvar *table* (make-hash-table :test 'equal))
(dotimes (i 25000)
  (setf (gethash (format nil "key-~d" (random-below 9000)) *table*)
        (make-string (mod i 500) :initial-element #\x :element-type 'base-char)))
(defvar *table-sum* 0)
(maphash (lambda (key value) (setf *table-sum* (mod (+ *table-sum* (* (length key) (length value))) 1000000007)))
         *table*)

(defvar *counters* (make-array 20000))
(dotimes (i 20000)
  (setf (aref *counters* i) (let ((count i)) (lambda () (incf count)))))
(defun counters-sum ()
  (reduce (lambda (h f) (mix h (funcall f))) *counters* :initial-value 0))

(defvar *factorials* (let ((f 1)) (loop for i from 1 to 400 collect (setf f (* f i)))))
(defvar *vectors* (loop for i below 700 collect (make-array 8000 :initial-element i)))

(format t "tree ~d~%" (walk *tree* 0))
(format t "table ~d ~d~%" (hash-table-count *table*) *table-sum*)
(format t "counters ~d ~d~%" (counters-sum) (counters-sum))
(format t "bignums ~d~%" (mod (reduce #'+ *factorials*) 1000000007))
(format t "vectors ~d~%" (reduce (lambda (h v) (mix h (aref v 7999))) *vectors* :initial-value 0))
(format t "sorted ~d~%"
        (reduce #'mix (sort (loop for i below 20000 collect (random-below 1000000)) #'<) :initial-value 0))
(si:gc t)
(format t "counters ~d~%" (counters-sum))

(let ((file (si:getenv "SMAPS")))
  (when file
    (with-open-file (in "/proc/self/smaps")
      (with-open-file (out file :direction :output :if-exists :supersede)
        (loop for line = (read-line in nil) while line do (write-line line out))))))
