// SPDX-License-Identifier: Apache-2.0

package child

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

// sysProcAttr keeps Ctrl-C in the proxy's console from the child: the proxy
// ends it in its own time.
func sysProcAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: windows.CREATE_NEW_PROCESS_GROUP}
}

// awaitExit returns when the process has ended and was reaped.
func awaitExit(cmd *exec.Cmd) *os.ProcessState {
	state, _ := cmd.Process.Wait()
	return state
}

// group is the job object that a child and its descendants are in. It ends
// with its last handle, and all processes in it end then, too: the system
// closes the handle when this program ends, however it ends. What the child
// starts before it is in the job, right after its own start, is not in it.
type group struct {
	id  uint32
	job windows.Handle
}

func newGroup(p *os.Process) (group, error) {
	job, err := windows.CreateJobObject(nil, nil)
	if err != nil {
		return group{}, fmt.Errorf("creating a job object: %w", err)
	}
	info := windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION{
		BasicLimitInformation: windows.JOBOBJECT_BASIC_LIMIT_INFORMATION{LimitFlags: windows.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE},
	}
	_, err = windows.SetInformationJobObject(job, windows.JobObjectExtendedLimitInformation, uintptr(unsafe.Pointer(&info)), uint32(unsafe.Sizeof(info)))
	if err == nil {
		var assigned error
		err = p.WithHandle(func(handle uintptr) {
			assigned = windows.AssignProcessToJobObject(job, windows.Handle(handle))
		})
		if err == nil {
			err = assigned
		}
	}
	if err != nil {
		_ = windows.CloseHandle(job)
		return group{}, fmt.Errorf("putting it into a job object: %w", err)
	}
	return group{uint32(p.Pid), job}, nil
}

// terminate asks the child to end, if it has the console of this program.
func (g group) terminate() {
	_ = windows.GenerateConsoleCtrlEvent(windows.CTRL_BREAK_EVENT, g.id)
}

// kill ends the child and its descendants.
func (g group) kill() { _ = windows.TerminateJobObject(g.job, 1) }

// empty reports whether nobody is left.
func (g group) empty() bool {
	var info struct { // JOBOBJECT_BASIC_ACCOUNTING_INFORMATION
		TotalUserTime, TotalKernelTime, ThisPeriodTotalUserTime, ThisPeriodTotalKernelTime int64
		TotalPageFaultCount, TotalProcesses, ActiveProcesses, TotalTerminatedProcesses     uint32
	}
	err := windows.QueryInformationJobObject(g.job, windows.JobObjectBasicAccountingInformation, uintptr(unsafe.Pointer(&info)), uint32(unsafe.Sizeof(info)), nil)
	return err != nil || info.ActiveProcesses == 0
}

func (g group) dead() bool { return false }

// exiting cannot tell here.
func exiting(int) bool { return false }

func (g group) close() { _ = windows.CloseHandle(g.job) }
