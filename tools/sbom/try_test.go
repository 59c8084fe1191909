package sbom
import ("testing";"context";"os";"github.com/atrawog/mcp-oauth-gateway/tools/internal/build";"time")
func TestTry(t *testing.T){
 for _, c := range []string{"fetchserver","shclient","shproxy","oauthdyn"} { s:=time.Now()
 f:="/tmp/lc/b-"+c
 if err:=(build.Target{Module:"/work/wt/images/"+c,Command:c,Platform:"linux/amd64",Workspace:true,File:f}).Build(context.Background()); err!=nil {t.Fatal(err)}
 t.Log("build",c,time.Since(s))
 inv,err:=Read(context.Background(),f,"/work/wt/images/"+c,true)
 if err!=nil{t.Fatal(err)}
 t.Log(time.Since(s), inv.Main.Path,inv.Main.Version,inv.Created,inv.Modified)
 for _,m:=range inv.Modules { t.Log(m.Path,m.Version,m.Sum,m.License,len(m.Texts)) }
 o,_:=os.Create("/tmp/lc/"+c+".spdx.json"); inv.WriteSPDX(o); o.Close()
 }
}
