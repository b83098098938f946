# One job about people in R: Rscript cohort_peers.R JOB PROGRAM FOLDER. The columns are plain binary files, and reading
# them is not timed. Prints the same JSON as cohort_programs.py.
suppressMessages(library(survival))
asked <- commandArgs(trailingOnly = TRUE)
job <- asked[1]
if (asked[2] == "R cmprsk") suppressMessages(library(cmprsk))
column <- function(name, kind = "integer") {
  file <- file.path(asked[3], paste0(name, ".bin"))
  readBin(file, kind, file.size(file) / (if (kind == "integer") 4 else 8))
}
discrete <- c("female", "young", "employed", "prior")
needed <- switch(job, km = , aj = , rmst = c(), cox_discrete = discrete, cox_clustered = c(discrete, "site"), discrete)
d <- data.frame(arm = column("arm"), time = column("time"), event = column("event"))
for (name in needed) d[[name]] <- column(name)
if (!(job %in% c("km", "aj", "rmst", "cox_discrete"))) for (name in c("age", "score")) d[[name]] <- column(name, "double")
few <- Surv(time, event == 1) ~ arm + female + young + employed + prior
many <- update(few, . ~ . + age + score)
of_arm <- function(fit) c(coef(fit)[["arm"]], sqrt(diag(vcov(fit)))[[1]])

run <- list(
  km = function() {
    fit <- survfit(Surv(time, event == 1) ~ arm, d, conf.type = "log-log")
    survdiff(Surv(time, event == 1) ~ arm, d)
    s <- summary(fit, times = 365)
    c(1 - s$surv[2], s$std.err[2])
  },
  aj = function() {
    if (asked[2] == "R cmprsk") {
      fit <- cuminc(d$time, d$event, d$arm)
      p <- timepoints(fit, 365)
      return(c(p$est["1 1", 1], sqrt(p$var["1 1", 1])))
    }
    fit <- survfit(Surv(time, factor(event)) ~ arm, d)
    s <- summary(fit, times = 365)
    c(s$pstate[2, 2], s$std.err[2, 2])
  },
  rmst = function() {
    fit <- survfit(Surv(time, event == 1) ~ arm, d)
    for (horizon in c(180, 730, 365)) s <- summary(fit, rmean = horizon)$table
    errors <- s[, grep("se(rmean)", colnames(s), fixed = TRUE)]
    c(s[2, grep("rmean", colnames(s))[1]] - s[1, grep("rmean", colnames(s))[1]], sqrt(sum(errors^2)))
  },
  cox_discrete = function() of_arm(coxph(few, d)),
  cox_continuous = function() of_arm(coxph(many, d)),
  cox_clustered = function() of_arm(coxph(many, d, cluster = site)),
  fine_gray = function() {
    if (asked[2] == "R cmprsk") {
      fit <- crr(d$time, d$event, as.matrix(d[c("arm", discrete, "age", "score")]))
      return(c(fit$coef[[1]], sqrt(fit$var[1, 1])))
    }
    d$id <- seq_len(nrow(d))
    long <- finegray(Surv(time, factor(event)) ~ ., d, etype = "1")
    of_arm(coxph(Surv(fgstart, fgstop, fgstatus) ~ arm + female + young + employed + prior + age + score, long,
                 weights = fgwt, cluster = id, ties = "breslow"))
  },
  km_iptw = function() {
    p <- fitted(glm(arm ~ female + young + employed + prior + age + score, binomial, d))
    d$w <- ifelse(d$arm == 1, 1 / p, 1 / (1 - p))
    fit <- survfit(Surv(time, event == 1) ~ arm, d, weights = w, robust = TRUE, conf.type = "log-log")
    s <- summary(fit, times = 365)
    c(1 - s$surv[2], s$std.err[2])
  }
)
started <- proc.time()
found <- run[[job]]()
took <- proc.time() - started
status <- tryCatch(readLines("/proc/self/status"), error = function(e) "VmHWM: NaN")
memory <- as.numeric(gsub("[^0-9]", "", grep("^VmHWM", status, value = TRUE))) / 1024
cat(sprintf('{"seconds": %.4f, "cpu": %.4f, "memory": %.1f, "estimate": %.15g, "std_error": %.15g}\n',
            took[["elapsed"]], took[["user.self"]] + took[["sys.self"]], memory, found[1], found[2]))
